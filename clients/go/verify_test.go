package latchkey

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func readJSON(r *http.Request, out any) { _ = json.NewDecoder(r.Body).Decode(out) }

// ask sends a request that is made by the test.
func (g *guarded) ask(prepare func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/things?a=b", nil)
	prepare(r)
	w := httptest.NewRecorder()
	g.route.ServeHTTP(w, r)
	return w
}

const allowed = `{"allowed":true,"principal":{"kind":"api_key","id":"key_v","organization":"org_v","scopes":["read"]},
	"headers":{"ratelimit":"\"month\";r=5;t=9"}}`

func TestACredentialWhoseCallsAreCountedExactlyIsAskedForEachTime(t *testing.T) {
	s := newStub(t)
	entry := strings.Replace(entryText("key_1", ""), `"asksEachTime":false`, `"asksEachTime":true`, 1)
	questions := make(chan map[string]any, 10)
	s.set(func() {
		s.lookup = text(200, `{"position":0,"entry":`+entry+`}`)
		s.verify = func(w http.ResponseWriter, r *http.Request) {
			var q map[string]any
			readJSON(r, &q)
			questions <- q
			_, _ = io.WriteString(w, allowed)
		}
	})
	g := guardOf(t, s.URL, nil, nil).trusted()
	for i := 0; i < 3; i++ {
		w := g.get(goodKey)
		if w.Code != 200 || w.Body.String() != "key_v" || w.Header().Get("RateLimit") != `"month";r=5;t=9` {
			t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
		}
		expected := map[string]any{
			"credential": goodKey, "resource": "https://api", "scopes": []any{"read"}, "address": "192.0.2.1",
			"method": "GET", "path": "/things",
		}
		if q := <-questions; !reflect.DeepEqual(q, expected) {
			t.Errorf("asked %v", q)
		}
	}
	if s.count("lookup") != 1 || s.count("verify") != 3 {
		t.Errorf("%d look-ups, %d questions", s.count("lookup"), s.count("verify"))
	}
}

// lose closes the connection of the n-th request, from 1, without a byte of an answer; the others are answered. It passes
// on the Idempotency-Key of each.
func lose(n int, keys chan<- string, answer http.HandlerFunc) http.HandlerFunc {
	var count atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if int(count.Add(1)) == n {
			connection, _, _ := w.(http.Hijacker).Hijack()
			connection.Close()
			return
		}
		answer(w, r)
	}
}

func TestALookUpWhoseConnectionWasClosedIsAskedAgain(t *testing.T) {
	s := newStub(t)
	keys := make(chan string, 10)
	s.set(func() {
		s.lookup = lose(2, keys, func(w http.ResponseWriter, _ *http.Request) { s.answerLookup(w, 0) })
	})
	g := guardOf(t, s.URL, nil, nil).trusted()
	for i := 0; i < 3; i++ {
		if w := g.get(goodKey[:len(goodKey)-1] + fmt.Sprint(i)); w.Code != 200 {
			t.Errorf("look-up %d: %d", i, w.Code)
		}
	}
	if s.count("lookup") != 4 {
		t.Errorf("%d look-ups", s.count("lookup"))
	}
}

func TestACallThatCountsIsAskedAgainOnlyWithAKey(t *testing.T) {
	s := newStub(t)
	keys := make(chan string, 10)
	s.set(func() {
		s.poll = text(503, "")
		s.verify = lose(2, keys, text(200, allowed))
	})
	g := guardOf(t, s.URL, nil, nil)
	if w := g.get(goodKey); w.Code != 200 {
		t.Fatal(w.Code)
	}
	if w := g.get(goodKey); w.Code != 503 || s.count("verify") != 2 {
		t.Errorf("in use: %d after %d questions", w.Code, s.count("verify"))
	}
	s.set(func() { s.verify = lose(2, keys, text(200, allowed)) })
	if w := g.get(goodKey); w.Code != 200 {
		t.Fatal(w.Code)
	}
	// What makes a connection idle is the time alone.
	time.Sleep(idleAfter + 100*time.Millisecond)
	if w := g.get(goodKey); w.Code != 200 || s.count("verify") != 5 {
		t.Errorf("idle: %d after %d questions", w.Code, s.count("verify"))
	}
	var seen []string
	for range 5 {
		seen = append(seen, <-keys)
	}
	if seen[0]+seen[1]+seen[2] != "" || len(seen[3]) != 32 || seen[3] != seen[4] {
		t.Errorf("keys %q", seen)
	}
}

func TestWhatIsNoIDIsAskedAboutAsTheIDOfNothing(t *testing.T) {
	for _, odd := range []string{"", strings.Repeat("x", 10_000), "a\x00b", "a\x1bb", "a\xffb"} {
		if isID(odd, longestOrganization) || isID(odd, longestObject) {
			t.Errorf("%.20q passes for an id", odd)
		}
	}
	for _, good := range []string{"org_1", strings.Repeat("é", longestObject), "a b/c"} {
		if !isID(good, longestObject) {
			t.Errorf("%.20q passes for none", good)
		}
	}
	s := newStub(t)
	questions := make(chan map[string]any, 10)
	s.set(func() {
		s.poll = text(503, "")
		s.verify = func(w http.ResponseWriter, r *http.Request) {
			var q map[string]any
			readJSON(r, &q)
			questions <- q
			_, _ = io.WriteString(w, allowed)
		}
	})
	g := guardOf(t, s.URL, nil, nil)
	<-g.tried
	need := required{organization: ptr("a\x00b"), object: &object{"templates", ""}}
	out := g.verify(context.Background(), g.face.Load(), credential{text: goodKey, kind: apiKey}, need, arrival{}, occasion{})
	q := <-questions
	if id, _ := q["object"].(map[string]any)["id"].(string); out.principal == nil || q["organization"] != "org_none" ||
		!strings.HasPrefix(id, "obj_") {
		t.Errorf("asked %v", q)
	}
}

func TestTheRefusalOfVerifyIsSentAsItIs(t *testing.T) {
	s := newStub(t)
	s.set(func() {
		s.poll = text(503, "")
		s.verify = text(200, `{"allowed":false,"reason":"quota_exceeded","refusal":{"status":429,
			"headers":{"retry-after":"77"},"body":"{\"no\":1}"}}`)
	})
	g := guardOf(t, s.URL, nil, nil)
	w := g.get(goodKey)
	if w.Code != 429 || w.Header().Get("Retry-After") != "77" || w.Body.String() != `{"no":1}` {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestAnAnswerThatIsNoneLetsNothingPass(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{
		"cut": cut, "garbage": garbage, "empty": text(200, ``), "no object": text(200, `[]`), "nothing": text(200, `{}`),
		"allowed without a principal":  text(200, `{"allowed":true}`),
		"allowed without an id":        text(200, `{"allowed":true,"principal":{"kind":"api_key"}}`),
		"allowed for another kind":     text(200, `{"allowed":true,"principal":{"kind":"admin_token","id":"admin"}}`),
		"a text for allowed":           text(200, `{"allowed":"true","principal":{"kind":"api_key","id":"k"}}`),
		"a refusal that admits":        text(200, `{"allowed":false,"refusal":{"status":200,"headers":{},"body":""}}`),
		"a refusal without one":        text(200, `{"allowed":false}`),
		"another status":               text(201, allowed),
		"a redirect":                   redirect("/api/v1/other"),
		"deep":                         text(200, strings.Repeat("[", 100_000)),
		"large":                        text(200, `{"allowed":true,"x":"`+strings.Repeat("x", largestAnswer)+`"}`),
		"of a client that may not ask": text(403, `{"error":"no `+goodKey+`","code":"INSUFFICIENT_PERMISSIONS"}`),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			s.set(func() { s.poll, s.verify = text(503, ""), broken })
			guardOf(t, s.URL, nil, nil).expect(goodKey, 503)
			s = newStub(t)
			s.set(func() { s.lookup, s.verify = broken, broken })
			guardOf(t, s.URL, nil, nil).trusted().expect(goodKey, 503)
		})
	}
}

func TestNoRedirectIsFollowedWithACredential(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was sent on", r.URL.Path)
		_, _ = io.WriteString(w, allowed)
	}))
	defer other.Close()
	s := newStub(t)
	s.set(func() { s.lookup, s.verify = redirect(other.URL), redirect(other.URL) })
	guardOf(t, s.URL, nil, nil).trusted().expect(goodKey, 503)
}

// Verify is not told how a credential was presented: a key that is good in its header is not good as a bearer token.
func TestACredentialInTheWrongPlaceIsRefusedWithoutTrustToo(t *testing.T) {
	s := newStub(t)
	s.set(func() { s.poll, s.verify = text(503, ""), text(200, allowed) })
	g := guardOf(t, s.URL, nil, nil)
	g.expect("key-of-another-system", 200)
	w := g.ask(func(r *http.Request) { r.Header.Set("Authorization", "Bearer key-of-another-system") })
	if w.Code != 401 {
		t.Errorf("status %d", w.Code)
	}
}

func TestAnEntryThatLacksWhatAVerdictReadsIsNone(t *testing.T) {
	good := entryText("key_1", "")
	for _, change := range [][2]string{
		{`"follows":["key:key_1","organization:org_1"]`, `"follows":[]`},
		{`"kind":"api_key","principal":{"kind":"api_key"`, `"kind":"api_key","principal":{"kind":"access_token"`},
		{`"kind":"api_key","principal"`, `"kind":"admin_token","principal"`},
		{`"organization":{`, `"other":{`},
		{`"key":{"id":"key_1"`, `"key":{"id":""`},
		{`"principal":{`, `"other":{`},
		{`"facts"`, `"other"`},
		{`"expiresAt":null`, `"expiresAt":"soon"`},
	} {
		changed := strings.Replace(good, change[0], change[1], 1)
		if changed == good {
			t.Fatal("nothing was changed by ", change)
		}
		s := newStub(t)
		s.set(func() { s.lookup = text(200, `{"position":0,"entry":`+changed+`}`) })
		guardOf(t, s.URL, nil, nil).trusted().expect(goodKey, 503)
		if s.count("verify") != 1 {
			t.Errorf("%v: verify was not asked", change)
		}
	}
}

func FuzzAnyRequestAndAnyAnswerGetAVerdict(f *testing.F) {
	f.Add("Bearer eyJ", "a=b&x-api-key=%zz&access_token", "/x?y", entryText("key_1", ""), "{path}")
	f.Add("bearer  a=", "%", "http://a", `{"facts":null}`, `["{scope}"]`)
	f.Add("", "", "", `{"facts":{"kind":"access_token","principal":{"kind":"access_token","id":"c"},
		"claims":{"exp":1e300}},"follows":[""]}`, "")
	faces, _ := readVectors(f)
	f.Fuzz(func(t *testing.T, authorization, query, target, entry, body string) {
		for _, each := range faces {
			a := arrival{target: target + "?" + query, header: http.Header{"Authorization": {authorization}}}
			at := occasion{target: a.target, requestID: body}
			_, _ = form(each, required{}, a, at)
			_ = fill(answer{401, map[string]string{"a": body}, body}, []string{query}, []string{query}, at)
			var wire wireEntry
			if json.Unmarshal([]byte(entry), &wire) != nil {
				return
			}
			e, err := readEntry(&wire)
			if err != nil {
				return
			}
			out := decide(each, newLimiter(), found{entry: e}, required{object: &object{"a", query}}, a, at)
			if out.principal == nil && out.refused == nil && !out.asks {
				t.Error("no verdict: ", fmt.Sprint(out))
			}
		}
	})
}

func TestAQuestionSaysThatAnyCredentialWillDo(t *testing.T) {
	s := newStub(t)
	asked := make(chan string, 1)
	s.set(func() {
		s.poll = text(200, `{"position":0,"changes":[],"trustFor":0}`)
		s.verify = func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked <- string(body)
			text(200, allowed)(w, r)
		}
	})
	g := guardOf(t, s.URL, nil, nil)
	g.route = g.RequireFunc(Needs{AnyCredential: true}, func(http.ResponseWriter, *http.Request) {})
	g.expect(goodKey, 200)
	if body := <-asked; !strings.Contains(body, `"scopes":[]`) {
		t.Error(body)
	}
}
