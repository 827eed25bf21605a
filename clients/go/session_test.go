package latchkey

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAKeyIsAskedForOnceAndARevocationIsAppliedBeforeItIsConfirmed(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	for i := 0; i < 50; i++ {
		g.expect(goodKey, 200)
	}
	if n := s.count("lookup"); n != 1 {
		t.Fatalf("%d look-ups for one key", n)
	}
	s.set(func() { s.lookup = text(200, `{"position":null,"refusal":{"reason":"revoked","presented":"api_key"}}`) })
	s.change("key:key_1")
	until(t, "the change is confirmed", func() bool { return g.session.Load().position() == 1 })
	g.expect(goodKey, 401)
	g.expect(goodKey, 401)
	if n := s.count("lookup"); n != 3 {
		t.Fatalf("%d look-ups: a refusal was kept", n)
	}
}

func TestAChangeOfAnythingThatAnEntryFollowsOutdatesIt(t *testing.T) {
	for subject, outdates := range map[string]bool{
		"key:key_1": true, "organization:org_1": true, "everything": true, "key:key_2": false, "organization": false,
		"members": false, "": false, "resources:org_9": false,
	} {
		s := newStub(t)
		g := guardOf(t, s.URL, nil, nil).trusted()
		g.expect(goodKey, 200)
		s.change(subject)
		until(t, "the change is confirmed", func() bool { return g.session.Load().position() == 1 })
		g.expect(goodKey, 200)
		if isOutdated := s.count("lookup") == 2; isOutdated != outdates {
			t.Errorf("%q outdated the entry: %v, should be %v", subject, isOutdated, outdates)
		}
	}
}

func TestAChangeOfTheResourceOrOfTheSigningKeysOpensAnotherSession(t *testing.T) {
	for _, subject := range []string{"resources", "signing-keys", "resources:org_9"} {
		s := newStub(t)
		if strings.HasSuffix(subject, "org_9") {
			s.owner = `"org_9"`
		}
		g := guardOf(t, s.URL, nil, nil).trusted()
		g.expect(goodKey, 200)
		s.change(subject)
		until(t, "another session", func() bool { return g.session.Load().id == "gds_2" && g.Trusted() })
		if s.count("leave") != 1 {
			t.Error("the first session was not ended: the change waits for it")
		}
		g.expect(goodKey, 200)
		if s.count("lookup") != 2 {
			t.Error("the memory was not emptied")
		}
	}
}

func TestAPollThatIsNotAnsweredEndsTrustAtOnce(t *testing.T) {
	for name, broken := range map[string]http.HandlerFunc{
		"cut in the middle": cut, "garbage": garbage, "closed": func(w http.ResponseWriter, _ *http.Request) { hangUp(w) },
		"not JSON": text(200, "<html>"), "no position": text(200, `{"changes":[],"trustFor":1000}`),
		"no trustFor": text(200, `{"position":0,"changes":[]}`), "503": text(503, ""),
		"a text for a position": text(200, `{"position":"0","changes":[],"trustFor":1000}`),
		"negative trust":        text(200, `{"position":0,"changes":[],"trustFor":-1}`),
		"no trust":              text(200, `{"position":0,"changes":[],"trustFor":0}`),
		"a redirect":            redirect("http://127.0.0.1:1/"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			g := guardOf(t, s.URL, nil, nil).trusted()
			g.expect(goodKey, 200)
			s.set(func() { s.poll = broken })
			until(t, "trust has ended", func() bool { return !g.Trusted() })
			// The lease is a minute: nothing but the connection says so.
			g.expect(goodKey, 503)
			if s.count("verify") == 0 {
				t.Error("verify was not asked")
			}
			s.set(func() { s.poll = nil })
			g.trusted().expect(goodKey, 200)
		})
	}
}

func hangUp(w http.ResponseWriter) {
	connection, _, _ := w.(http.Hijacker).Hijack()
	connection.Close()
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) }
}

func TestAPositionThatCannotBeOpensAnotherSession(t *testing.T) {
	for name, lie := range map[string]http.HandlerFunc{
		"one that was passed":          text(200, `{"position":-1,"changes":[],"trustFor":60000}`),
		"changes up to the same":       text(200, `{"position":0,"changes":["key:key_9"],"trustFor":60000}`),
		"a session that is gone":       text(410, `{"error":"gone","code":"SESSION_ENDED"}`),
		"a session that is not there":  text(404, ``),
		"a position that was not told": text(400, `{"error":"no","code":"INVALID_REQUEST"}`),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			g := guardOf(t, s.URL, nil, nil).trusted()
			g.expect(goodKey, 200)
			s.set(func() { s.poll = lie })
			until(t, "another session", func() bool { return g.session.Load().id != "gds_1" })
			s.set(func() { s.poll = nil })
			g.trusted().expect(goodKey, 200)
			if s.count("lookup") != 2 {
				t.Error("the memory was not emptied")
			}
		})
	}
}

func TestAClosedGuardHasEndedItsSessionAndLetsNothingPass(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	g.expect(goodKey, 200)
	s.set(func() {
		s.verify = text(200, allowed)
		s.onLeave = func(w http.ResponseWriter, _ *http.Request) {
			if g.Trusted() {
				t.Error("it left while it answered from memory")
			}
			w.WriteHeader(204)
		}
	})
	must(t, g.Close(context.Background()))
	must(t, g.Close(context.Background()))
	if s.count("leave") != 1 || s.count("usage") != 1 {
		t.Errorf("ended %d times, reported %d times", s.count("leave"), s.count("usage"))
	}
	g.expect(goodKey, 503)
	if g.Ready(context.Background()) == nil && g.session.Load() != nil {
		t.Error("a closed guard has a session")
	}
}

func TestARequestEndsWithItsContext(t *testing.T) {
	s := newStub(t)
	asked := make(chan struct{}, 1)
	s.set(func() {
		s.lookup = func(_ http.ResponseWriter, r *http.Request) { asked <- struct{}{}; <-r.Context().Done() }
	})
	g := guardOf(t, s.URL, func(o *Options) { o.Timeout = time.Minute }, nil).trusted()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	if w := g.ask(func(r *http.Request) {
		*r = *r.WithContext(ctx)
		r.Header.Set("X-Api-Key", goodKey)
	}); w.Code != 503 {
		t.Errorf("status %d", w.Code)
	}
}

func TestWithoutAServerReadySaysWhyAndRequestsAreRefused(t *testing.T) {
	s := newStub(t)
	url := s.URL
	s.Server.Close()
	g := guardOf(t, url, nil, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err := g.Ready(ctx)
	if err == nil || !strings.Contains(err.Error(), "opening a session was not answered") {
		t.Errorf("%v", err)
	}
	w := g.get(goodKey)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestACookieOfABalancerIsReturnedWithPollsAndWithLookUps(t *testing.T) {
	s := newStub(t)
	s.set(func() {
		s.poll = func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "server", Value: "2"})
			s.answerPoll(w, r)
		}
		s.lookup = func(w http.ResponseWriter, r *http.Request) {
			if cookie, err := r.Cookie("server"); err != nil || cookie.Value != "2" {
				t.Errorf("asked without the cookie: %v", err)
			}
			s.answerLookup(w, 0)
		}
	})
	guardOf(t, s.URL, nil, nil).trusted().expect(goodKey, 200)
}
