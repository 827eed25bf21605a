package latchkey

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTheAddressOfTheCallerIsWhatTrustedProxiesSay(t *testing.T) {
	trusted := readRanges([]string{"10.0.0.0/8", "::1", "::ffff:192.168.0.0/112"})
	for _, c := range []struct{ peer, forwarded, address string }{
		{"203.0.113.7:5", "1.1.1.1", "203.0.113.7"},
		{"10.0.0.1:5", "", "10.0.0.1"},
		{"10.0.0.1:5", "1.1.1.1", "1.1.1.1"},
		{"10.0.0.1:5", "9.9.9.9, 1.1.1.1", "1.1.1.1"},
		{"10.0.0.1:5", "9.9.9.9, 1.1.1.1,10.2.3.4 , ", "1.1.1.1"},
		{"[::1]:5", "2001:db8::1", "2001:db8::1"},
		{"[::ffff:10.0.0.1]:5", "[2001:db8::1]:443", "2001:db8::1"},
		{"192.168.0.3:5", "1.1.1.1:80", "1.1.1.1"},
		{"10.0.0.1:5", "1.1.1.1, unknown", "invalid IP"},
		{"10.0.0.1:5", "1.1.1.1, fe80::1%eth0", "invalid IP"},
		{"10.0.0.1:5", "10.0.0.9, 10.0.0.8", "10.0.0.9"},
		{"@", "1.1.1.1", "invalid IP"},
		{"010.0.0.1:5", "1.1.1.1", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, line := range strings.Split(c.forwarded, ",") {
			r.Header.Add("X-Forwarded-For", line)
		}
		if found := callerOf(r, trusted).address.String(); found != c.address {
			t.Errorf("%v: %s", c, found)
		}
		if found := callerOf(r, nil).address; found != readAddress(c.peer) {
			t.Errorf("%v: %s without trusted proxies", c, found)
		}
	}
}

func TestTheSchemeIsWhatATrustedProxySays(t *testing.T) {
	trusted := readRanges([]string{"10.0.0.1"})
	for _, c := range []struct {
		peer, scheme string
		tls          bool
	}{
		{"10.0.0.1:1", "HTTPS", true}, {"10.0.0.1:1", "https, http", false}, {"10.0.0.1:1", "", false},
		{"10.0.0.2:1", "https", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-Proto", c.scheme)
		if callerOf(r, trusted).tls != c.tls {
			t.Errorf("%v", c)
		}
	}
}

func TestAnAnswerIsKeptOutOfSharedCachesUnlessTheHandlerSaysOtherwise(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	w := g.get(goodKey)
	if w.Header().Get("Cache-Control") != "private" || w.Header().Get("Vary") != "authorization, x-api-key" {
		t.Errorf("%v", w.Header())
	}
	public := g.RequireFunc(Needs{AnyCredential: true}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=5")
	})
	g.route = public
	if w := g.get(goodKey); w.Header().Get("Cache-Control") != "max-age=5" {
		t.Errorf("%v", w.Header())
	}
}

func TestATokenInAFormIsASecondCredentialAndTheHandlerReadsTheWholeBody(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	g.route = g.RequireFunc(Needs{AnyCredential: true}, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(text)
	})
	large := "a=" + strings.Repeat("x", 2*largestForm)
	for _, c := range []struct {
		kind, body string
		status     int
	}{
		{"application/x-www-form-urlencoded", "a=b", 200},
		{"application/x-www-form-urlencoded", large, 200},
		{"application/x-www-form-urlencoded", "a=b&access_token=", 401},
		{"Application/X-WWW-Form-Urlencoded; charset=utf-8", "acces%73_token=x", 401},
		{"text/plain", "access_token=x", 200},
	} {
		r := httptest.NewRequest("POST", "/things", strings.NewReader(c.body))
		r.Header.Set("X-Api-Key", goodKey)
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		g.route.ServeHTTP(w, r)
		if w.Code != c.status || c.status == 200 && w.Body.String() != c.body {
			t.Errorf("%s %.40s: %d, %d bytes", c.kind, c.body, w.Code, w.Body.Len())
		}
	}
}

func TestARouteSaysWhatItNeedsAndItsPathHasIt(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	for _, needs := range []Needs{
		{}, {Scopes: []string{"a b"}}, {Scopes: []string{"a"}, AnyCredential: true}, {AnyCredential: true, Credits: -1},
		{AnyCredential: true, Object: Object{Type: "things"}}, {Scopes: []string{""}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", needs)
				}
			}()
			g.RequireFunc(needs, func(http.ResponseWriter, *http.Request) {})
		}()
	}
	mux := http.NewServeMux()
	mux.Handle("GET /organizations/{org}/things/{thing}", g.RequireFunc(Needs{
		AnyCredential: true, Organization: "org", Object: Object{"things", "thing"},
	}, func(http.ResponseWriter, *http.Request) {}))
	mux.Handle("GET /other/{name}", g.RequireFunc(Needs{AnyCredential: true, Organization: "org"},
		func(http.ResponseWriter, *http.Request) { t.Error("it is not known what this is about") }))
	g.route = mux
	// The stub has no template for a foreign organization, and answers it as it answers an unknown key.
	for path, status := range map[string]int{
		"/organizations/org_1/things/5": 200, "/organizations/org_2/things/5": 401, "/other/org_1": 503,
	} {
		w := g.ask(func(r *http.Request) {
			*r = *httptest.NewRequest("GET", path, nil)
			r.Header.Set("X-Api-Key", goodKey)
		})
		if w.Code != status {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestOptionsThatCannotBeRightAreRefusedWithoutTheirSecrets(t *testing.T) {
	good := Options{Server: "https://auth.example.com/", Resource: "r", ClientID: "c", ClientSecret: secret}
	for name, change := range map[string]func(*Options){
		"no server": func(o *Options) { o.Server = "" }, "no URL": func(o *Options) { o.Server = "://" + secret },
		"plain":       func(o *Options) { o.Server = "http://auth.example.com" },
		"a user":      func(o *Options) { o.Server = "https://u:" + secret + "@auth.example.com" },
		"a query":     func(o *Options) { o.Server = "https://auth.example.com?x=" + secret },
		"a path":      func(o *Options) { o.Server = "https://auth.example.com/" + secret },
		"no resource": func(o *Options) { o.Resource = "" }, "no client": func(o *Options) { o.ClientID = "" },
		"no secret":      func(o *Options) { o.ClientSecret = "" },
		"a proxy":        func(o *Options) { o.TrustedProxies = []string{"10.0.0.0/99"} },
		"an environment": func(o *Options) { o.Environment = "staging" },
		"a timeout":      func(o *Options) { o.Timeout = -time.Second },
	} {
		o := good
		change(&o)
		g, err := New(o)
		if err == nil || g != nil || strings.Contains(err.Error(), secret) || !strings.HasPrefix(err.Error(), "latchkey: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, server := range []string{
		"http://127.0.0.1:3000", "http://[::1]", "http://localhost:3", "https://a.example/",
	} {
		if _, err := readBase(server, false); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
	if _, err := readBase("http://latchkey:3000", true); err != nil {
		t.Errorf("plain HTTP that is allowed: %v", err)
	}
}

// As the server's own guard has the path in its refusals.
func TestAPathInARefusalHasNoQueryAndNoSecret(t *testing.T) {
	for target, path := range map[string]string{
		"/v1/a?b":                          "/v1/a",
		"/keys/lb_live_0123456789abcdef/x": "/keys/lb_live_…/x",
		"/_live_abc":                       "/_live_abc",
		"/lb_live_test_abc":                "/lb_live_…_abc",
		"/x/ABclb_test_abc":                "/x/ABclb_test_…",
		"/9_live_abc":                      "/9_live_abc",
		"/lkadm_0123456789":                "/lkadm_…",
		"/lkadm_0123":                      "/lkadm_0123",
		"/hooks/whk_abc/y":                 "/hooks/whk_…/y",
		"/hooks/w%68k_abc/y":               "/hooks/whk_…/y",
		"/eyJhbGci.eyJ.x/y":                "/eyJ…/y",
		"/eyJhbGci/y":                      "/eyJhbGci/y",
		"https://h/a/lb_live_abc":          "/a/lb_live_…",
		"/a9a9a9a9a9a9a9a9a9a9a9_live_abc/lb_test_1": "/a9a9a9a9a9a9a9a9a9a9a9_live_…/lb_test_…",
	} {
		if found := pathOf(target); found != path {
			t.Errorf("%s: %s, should be %s", target, found, path)
		}
	}
}
