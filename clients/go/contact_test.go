package latchkey

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (g *guarded) logged(text string) int {
	g.logMu.Lock()
	defer g.logMu.Unlock()
	return strings.Count(g.log.String(), text)
}

func TestAProblemIsToldOnceUntilItChangesAndItsEndOnce(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	s.set(func() { s.poll = text(503, "") })
	before := s.count("poll")
	until(t, "several polls", func() bool { return s.count("poll") > before+4 })
	s.set(func() { s.poll = text(500, "") })
	until(t, "another problem", func() bool { return g.logged("status 500") > 0 })
	s.set(func() { s.poll = nil })
	g.trusted()
	until(t, "the end of it", func() bool { return g.logged("follows its authorization server again") > 0 })
	before = s.count("poll")
	until(t, "several polls", func() bool { return s.count("poll") > before+4 })
	for _, each := range []string{"status 503", "status 500", "follows its authorization server again"} {
		if n := g.logged(each); n != 1 {
			t.Errorf("%q was told %d times", each, n)
		}
	}
}

func TestAServerThatKnowsNoSessionIsToldOfOnce(t *testing.T) {
	s := newStub(t)
	s.set(func() { s.poll = text(404, "") })
	g := guardOf(t, s.URL, nil, nil)
	until(t, "several sessions", func() bool { return s.count("sessions") > 4 })
	if n := g.logged("status 404"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestAGuardThatIsRefusedAsksNothingForItsRequestsAndRecoversByItself(t *testing.T) {
	for _, status := range []int{401, 403} {
		s := newStub(t)
		g := guardOf(t, s.URL, nil, nil).trusted()
		g.expect(goodKey, 200)
		s.set(func() { s.poll = text(status, "") })
		until(t, "it is refused", func() bool { return !g.Trusted() && g.contact.isRefused() })
		lookups, questions, left := s.count("lookup"), s.count("verify"), s.count("leave")
		for i := 0; i < 30; i++ {
			g.expect(goodKey, 503)
		}
		if s.count("lookup") != lookups || s.count("verify") != questions || s.count("leave") != left {
			t.Errorf("a refused guard asked: %v", s.counts)
		}
		s.set(func() { s.poll = nil })
		g.trusted().expect(goodKey, 200)
	}
}

func TestARefusedQuestionStandsForTheGuardUntilThePollIsAnswered(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, nil).trusted()
	held, release := make(chan struct{}, 1000), make(chan struct{})
	s.set(func() {
		s.lookup = text(401, "")
		s.poll = func(w http.ResponseWriter, r *http.Request) {
			held <- struct{}{}
			<-release
			s.answerPoll(w, r)
		}
	})
	<-held
	for i := 0; i < 5; i++ {
		g.expect(goodKey, 503)
	}
	if s.count("lookup") != 1 || s.count("verify") != 0 {
		t.Errorf("asked %d and %d times", s.count("lookup"), s.count("verify"))
	}
	s.set(func() { s.lookup = nil })
	close(release)
	until(t, "it is decided again", func() bool { return g.get(goodKey).Code == 200 })
}

func TestPausesGrow(t *testing.T) {
	for _, each := range []struct {
		failures, refusals int
		most               time.Duration
	}{
		{0, 0, 50 * time.Millisecond}, {50, 0, 2 * time.Second}, {1, 1, time.Second}, {2, 2, 2 * time.Second},
		{4, 4, 8 * time.Second}, {6, 6, 30 * time.Second}, {2000, 2000, 30 * time.Second},
	} {
		for i := 0; i < 300; i++ {
			if p := pauseAfter(each.failures, each.refusals); p < each.most/2 || p > each.most {
				t.Fatalf("%v: %v", each, p)
			}
		}
		if pauseAfter(each.failures, each.refusals) == pauseAfter(each.failures, each.refusals) {
			t.Error("the same for all guards")
		}
	}
}

func TestFailuresOfRequestsAreToldOnceAMinuteAndNotWhileTheServerIsNotFollowed(t *testing.T) {
	var log bytes.Buffer
	c := contact{logger: slog.New(slog.NewTextHandler(&log, nil))}
	c.followed()
	c.failed("request", errors.New("one"))
	c.failed("request", errors.New("another"))
	c.lost("session", errors.New("gone"))
	c.lost("session", errors.New("gone"))
	c.failed("request", errors.New("a third"))
	c.followed()
	c.followed()
	c.lost("session", errors.New("gone"))
	if n := strings.Count(log.String(), "\n"); n != 4 || strings.Contains(log.String(), "another") {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

func TestARefusalStandsOverTooManyRequestsAndEndsWithAnyOtherAnswer(t *testing.T) {
	c := contact{logger: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))}
	answer := func(status int) error { return &statusError{"opening a session", status, ""} }
	c.lost("", answer(http.StatusTooManyRequests))
	if c.isRefused() {
		t.Error("429 alone refuses nothing")
	}
	for i, status := range []int{401, 429, 403} {
		c.lost("", answer(status))
		if c.refusals != i+1 {
			t.Errorf("%d refusals after %d", c.refusals, status)
		}
	}
	c.lost("", answer(http.StatusBadGateway))
	if c.isRefused() {
		t.Error("502 refuses nothing")
	}
}

func TestAClockThatIsAnHourBehindIsToldOfOnceOverSeveralSessions(t *testing.T) {
	s := newStub(t)
	g := guardOf(t, s.URL, nil, func() moment {
		now := systemClock()
		now.wall = now.wall.Add(-time.Hour)
		return now
	}).trusted()
	s.change("signing-keys")
	until(t, "another session", func() bool { return g.session.Load().id == "gds_2" && g.Trusted() })
	if n := g.logged("s behind that of its authorization server"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestTheClocksDifferIfNoMomentOfTheRequestExplainsTheDateOfItsAnswer(t *testing.T) {
	told := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	date := told.Format(http.TimeFormat)
	for _, each := range []struct {
		asked, answered time.Duration
		problem         string
	}{
		{0, 0, ""}, {-5 * time.Minute, 5 * time.Minute, ""}, {-20 * time.Second, -15 * time.Second, ""},
		{-20 * time.Second, -16 * time.Second, "is 16 s behind"}, {16999 * time.Millisecond, 20 * time.Second, ""},
		{17 * time.Second, 20 * time.Second, "is 16 s ahead of"},
	} {
		problem := clockProblem(date, told.Add(each.asked), told.Add(each.answered))
		if !strings.Contains(problem, each.problem) || each.problem == "" && problem != "" {
			t.Errorf("%v: %q", each, problem)
		}
	}
	for _, none := range []string{"", "yesterday"} {
		if problem := clockProblem(none, told, told); problem != "" {
			t.Error(problem)
		}
	}
}
