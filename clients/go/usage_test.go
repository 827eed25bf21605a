package latchkey

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"
)

type sentReport struct {
	Sequence int
	Entries  []reportedCalls
}

// reports are those that a stub has got, in order.
type reports struct {
	mu  sync.Mutex
	all []sentReport
}

func (r *reports) add(request *http.Request) {
	var body sentReport
	readJSON(request, &body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, body)
}

func (r *reports) get() []sentReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sentReport{}, r.all...)
}

func TestCallsAreReportedUnderTheSameNumberUntilThatIsAnswered(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	var got reports
	failing := 2
	s.set(func() {
		s.report = func(w http.ResponseWriter, r *http.Request) {
			got.add(r)
			if failing--; failing >= 0 {
				cut(w, r)
				return
			}
			w.WriteHeader(204)
		}
	})
	g := guardOf(t, s.URL, nil, nil).trusted()
	for i := 0; i < 7; i++ {
		g.expect(goodKey, 200)
	}
	day := dayText(dayOf(time.Now()))
	until(t, "three reports", func() bool { return s.count("usage") >= 3 })
	g.expect(goodKey, 200)
	until(t, "the next one", func() bool { return s.count("usage") >= 4 })
	all := got.get()
	for _, r := range all[:3] {
		equal(t, r, sentReport{1, []reportedCalls{{"key_1", 7, day, 0}}})
	}
	equal(t, all[3], sentReport{2, []reportedCalls{{"key_1", 1, day, 0}}})
}

func TestWhatWasPerhapsCountedIsNotCountedInAnotherSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		calls  int64
	}{
		"it was not answered":   {cut, 1},
		"the session was gone":  {text(410, ""), 4},
		"it was refused":        {text(400, ""), 1},
		"it was out of turn":    {text(409, ""), 1},
		"the server was broken": {text(500, ""), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			var got reports
			reported := make(chan struct{}, 100)
			s.set(func() {
				s.report = func(w http.ResponseWriter, r *http.Request) { c.answer(w, r); reported <- struct{}{} }
			})
			g := guardOf(t, s.URL, nil, nil).trusted()
			for i := 0; i < 3; i++ {
				g.expect(goodKey, 200)
			}
			<-reported
			g.usage.reporting.Lock()
			s.set(func() {
				s.report = func(w http.ResponseWriter, r *http.Request) { got.add(r); w.WriteHeader(204) }
			})
			s.change("signing-keys")
			until(t, "another session", func() bool { return g.session.Load().id == "gds_2" && g.Trusted() })
			g.usage.reporting.Unlock()
			g.expect(goodKey, 200)
			until(t, "its report", func() bool { return len(got.get()) > 0 })
			equal(t, got.get()[0], sentReport{1, []reportedCalls{{"key_1", c.calls, dayText(dayOf(time.Now())), 0}}})
		})
	}
}

func TestAKeyThatTheSessionHasNoAnswerForIsNotReported(t *testing.T) {
	s := newStub(t)
	var got reports
	s.set(func() {
		s.lookup = text(200, `{"position":null,"entry":`+entryText("key_1", "")+`}`)
		s.report = func(w http.ResponseWriter, r *http.Request) { got.add(r); w.WriteHeader(204) }
	})
	g := guardOf(t, s.URL, nil, nil).trusted()
	g.expect(goodKey, 200)
	g.report(context.Background(), g.session.Load())
	if s.count("usage") != 0 {
		t.Fatal("it was reported: the server would refuse the whole report")
	}
	s.set(func() { s.lookup = nil })
	g.expect(goodKey, 200)
	g.report(context.Background(), g.session.Load())
	equal(t, got.get(), []sentReport{{1, []reportedCalls{{"key_1", 2, dayText(dayOf(time.Now())), 0}}}})
}

func TestReportsHaveTodayAndYesterdayAloneAndAreOfBoundedSize(t *testing.T) {
	s, err := newSession(opened{
		Session: "a", Lease: 1000, face: face{
			Unavailable: lastResort, Refusals: map[string]map[string]answer{"a": nil},
			Resource: faceResource{Style: style{Transports: []transport{{In: "bearer"}}}},
		},
	}, 10, func() {})
	must(t, err)
	u := newUsage()
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC)
	for i := 0; i < mostInReport+10; i++ {
		id := fmt.Sprint("key_", i)
		s.asked.put(id, struct{}{})
		u.count(id, dayOf(now), 1)
	}
	u.count("key_0", dayOf(now)-1, 2*mostCalls)
	u.count("key_0", dayOf(now)-2, 5)
	u.count("key_of_another_session", dayOf(now), 5)
	total := int64(0)
	for {
		entries := u.next(s, now)
		if len(entries) == 0 {
			break
		}
		if len(entries) > mostInReport {
			t.Fatalf("%d entries", len(entries))
		}
		for _, each := range entries {
			if each.Calls > mostCalls || each.Day < "2026-02-28" || each.Key == "key_of_another_session" {
				t.Errorf("%v", each)
			}
			total += each.Calls
		}
	}
	if total != mostInReport+10+2*mostCalls || u.pending.len() != 1 {
		t.Errorf("%d calls, %d left", total, u.pending.len())
	}
}

func TestALimitPerMinuteIsCountedAndTold(t *testing.T) {
	s := newStub(t)
	s.set(func() { s.lookup = text(200, `{"position":0,"entry":`+entryText("key_1", `,"callsPerMinute":2`)+`}`) })
	c := newTestClock()
	g := guardOf(t, s.URL, nil, c.read).trusted()
	told := []string{`"minute";r=1;t=30`, `"minute";r=0;t=30`, `"minute";r=0;t=30`}
	for i, status := range []int{200, 200, 401} { // The stub's template for every reason has status 401.
		w := g.get(goodKey)
		policy := w.Header().Get("RateLimit-Policy")
		if w.Code != status || w.Header().Get("RateLimit") != told[i] || policy != `"minute";q=2;w=60` {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if isRefused := status != 200; isRefused != (w.Header().Get("Retry-After") == "30") {
			t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
		}
	}
	c.step(30*time.Second, 30*time.Second)
	g.expect(goodKey, 200)
	g.expect(goodKey, 401)
}

func TestALimitOfAnythingIsNoReasonToFail(t *testing.T) {
	l := newLimiter()
	now := time.Unix(1_780_000_000, 0)
	for _, limit := range []int64{-5, 0, 1, 1 << 40} {
		bounds := []bound{{"a", "minute", perMinute(&limit)}}
		for i := 0; i < 3; i++ {
			states, taken := l.take(bounds, now.Add(time.Duration(i-1)*24*time.Hour))
			if limit <= 0 && taken || len(states) != 1 || states[0].remaining < 0 || states[0].resetSeconds < 0 {
				t.Errorf("%d: %v %v", limit, taken, states)
			}
		}
	}
	for i := 0; i < 2*mostBuckets; i++ {
		l.take([]bound{{fmt.Sprint(i), "minute", 5}}, now)
	}
	if n := l.buckets.len(); n != mostBuckets {
		t.Errorf("%d buckets", n)
	}
}

func TestWhatWasCountedElsewhereIsOwedOnceInWhateverOrderItIsTold(t *testing.T) {
	l := newLimiter()
	now := time.Unix(1_780_000_000, 0)
	bounds := []bound{{"chain", "minute", 60}}
	remaining := func() int64 {
		states, _ := l.take(bounds, now)
		return states[0].remaining
	}
	l.hear(totals{"chain": 4, "other": 9, "": -1}, now)
	equal(t, remaining(), int64(59)) // The limit is not known yet.
	l.found(bounds, totals{"chain": 3}, now)
	equal(t, remaining(), int64(54))
	for _, total := range []int64{7, 2, 7, 0, -9} {
		l.hear(totals{"chain": total}, now)
	}
	l.found(bounds, nil, now)
	equal(t, remaining(), int64(50))
	l.hear(totals{"chain": math.MaxInt64}, now)
	if states, taken := l.take(bounds, now); taken || states[0].resetSeconds != 61 {
		t.Errorf("a minute, and until one call has room: %v", states)
	}
	if _, taken := l.take(bounds, now.Add(61*time.Second)); !taken {
		t.Error("it owes for longer than a minute")
	}
}

func TestCountsAreOwedAndConfirmedByTheNextPoll(t *testing.T) {
	s := newStub(t)
	confirmed := make(chan int64, 10_000)
	s.set(func() {
		s.lookup = text(200, `{"position":0,"elsewhere":{"key_1":1},"entry":`+entryText("key_1", `,"callsPerMinute":10`)+`}`)
		s.poll = func(w http.ResponseWriter, r *http.Request) {
			var body struct{ Counted int64 }
			readJSON(r, &body)
			confirmed <- body.Counted
			if body.Counted == 0 {
				_, _ = io.WriteString(w, `{"position":0,"changes":[],"trustFor":60000}`)
				return
			}
			_, _ = io.WriteString(w, `{"position":0,"changes":[],"trustFor":60000,"counted":8,"elsewhere":{"key_1":5}}`)
		}
	})
	c := newTestClock()
	g := guardOf(t, s.URL, nil, c.read).trusted()
	equal(t, g.get(goodKey).Header().Get("RateLimit"), `"minute";r=8;t=12`)
	equal(t, <-confirmed, int64(0))
	g.session.Load().hear(news{Counted: 7, Elsewhere: totals{"key_1": 3}}, c.read())
	until(t, "the counts are confirmed", func() bool { return <-confirmed == 8 })
	equal(t, g.get(goodKey).Header().Get("RateLimit"), `"minute";r=3;t=42`)
	g.session.Load().end()
	until(t, "another session", func() bool { return g.session.Load().id == "gds_2" && g.Trusted() })
	equal(t, g.get(goodKey).Header().Get("RateLimit"), `"minute";r=8;t=12`)
}
