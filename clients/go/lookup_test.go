package latchkey

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestAnAnswerThatWasGatheredBeforeAnAppliedChangeIsNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		answered string
		lookups  int
	}{
		"as of the change":   {"1", 1},
		"before the change":  {"0", 2},
		"with a change amid": {"null", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			asked, goOn := make(chan struct{}), make(chan struct{})
			s.set(func() {
				s.lookup = func(w http.ResponseWriter, _ *http.Request) {
					asked <- struct{}{}
					<-goOn
					fmt.Fprintf(w, `{"position":%s,"entry":%s}`, c.answered, entryText("key_1", ""))
				}
			})
			g := guardOf(t, s.URL, nil, nil).trusted()
			done := make(chan int)
			go func() { done <- g.get(goodKey).Code }()
			<-asked
			s.change("key:key_1")
			until(t, "the change is confirmed", func() bool { return g.session.Load().position() == 1 })
			goOn <- struct{}{}
			if status := <-done; status != 200 {
				t.Errorf("the request that asked got %d", status)
			}
			s.set(func() { s.lookup = func(w http.ResponseWriter, _ *http.Request) { s.answerLookup(w, 1) } })
			g.expect(goodKey, 200)
			if n := s.count("lookup"); n != c.lookups {
				t.Errorf("%d look-ups, should be %d", n, c.lookups)
			}
		})
	}
}

// What arrives after a revocation was acknowledged must not get the answer of a look-up that began before it.
func TestARequestDoesNotShareTheAnswerOfALookUpThatBeganBeforeAChange(t *testing.T) {
	s := newStub(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	s.set(func() {
		s.lookup = func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			<-goOn
			s.answerLookup(w, 0)
		}
	})
	g := guardOf(t, s.URL, nil, nil).trusted()
	first, later := make(chan int), make(chan int)
	go func() { first <- g.get(goodKey).Code }()
	<-asked
	s.change("key:key_1")
	until(t, "the change is confirmed", func() bool { return g.session.Load().position() == 1 })
	s.set(func() { s.lookup = text(200, `{"position":null,"refusal":{"reason":"revoked","presented":"api_key"}}`) })
	for i := 0; i < 5; i++ {
		go func() { later <- g.get(goodKey).Code }()
	}
	time.Sleep(20 * time.Millisecond) // They may wait for the look-up under way by now; the result is the same if not.
	goOn <- struct{}{}
	if status := <-first; status != 200 {
		t.Errorf("the first got %d", status)
	}
	for i := 0; i < 5; i++ {
		if status := <-later; status != 401 {
			t.Errorf("a request after the revocation got %d", status)
		}
	}
}

func TestRequestsForTheSameKeyShareALookUp(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	var all sync.WaitGroup
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func() { defer all.Done(); g.get(goodKey) }()
	}
	all.Wait()
	// Kept by the first: those that waited find it in memory.
	if n := s.count("lookup"); n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

func TestTheMemoryIsBoundedAndDropsWhatWasNotUsedForLongest(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, func(o *Options) { o.MaxEntries = 10 }, nil).trusted()
	for i := 0; i < 200; i++ {
		g.expect("key-of-another-system-"+fmt.Sprint(i), 200)
		g.expect("key-of-another-system-0", 200)
	}
	if n := g.session.Load().memory.len(); n != 10 {
		t.Errorf("%d entries", n)
	}
	if n := s.count("lookup"); n != 200 {
		t.Errorf("%d look-ups for 200 keys, one of them in use", n)
	}
}

func TestTheSameTextAsKeyAndAsTokenIsNotTheSameCredential(t *testing.T) {
	s := newStub(t)
	kinds := make(chan string, 10)
	s.set(func() {
		s.lookup = func(w http.ResponseWriter, r *http.Request) {
			var body struct{ Kind, Address string }
			readJSON(r, &body)
			if body.Address != "192.0.2.1" {
				t.Errorf("asked for the address %q", body.Address)
			}
			kinds <- body.Kind
			if body.Kind == apiKey {
				s.answerLookup(w, 0)
				return
			}
			text(200, `{"position":null,"refusal":{"reason":"malformed","presented":"access_token"}}`)(w, r)
		}
	})
	g := guardOf(t, s.URL, nil, nil).trusted()
	g.expect("eyJhbGciOiJub25lIn0.e30.", 200)
	w := g.ask(func(r *http.Request) { r.Header.Set("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30.") })
	if w.Code != 401 || <-kinds != apiKey || <-kinds != accessToken {
		t.Errorf("status %d", w.Code)
	}
}
