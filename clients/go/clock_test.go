package latchkey

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTrustEndsByWhicheverClockIsEarlier(t *testing.T) {
	lease := 60 * time.Second
	for name, step := range map[string]struct {
		mono, wall time.Duration
		holds      bool
	}{
		"before its end":                    {56 * time.Second, 56 * time.Second, true},
		"at its end":                        {57 * time.Second, 57 * time.Second, false},
		"the machine slept":                 {time.Second, 57 * time.Second, false},
		"the wall clock was set forward":    {0, lease, false},
		"the wall clock stands still":       {57 * time.Second, 0, false},
		"the wall clock was set back":       {0, -time.Second, false},
		"the wall clock was set back a day": {10 * time.Second, -24 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClock()
			trusted := trustFrom(c.read(), lease)
			c.step(step.mono, step.wall)
			if trusted.holds(c.read()) != step.holds {
				t.Errorf("trusted: %v", !step.holds)
			}
		})
	}
	if (trust{}).holds(moment{}) {
		t.Error("no trust is trust")
	}
}

func TestTheClockOfAProcessThatWasStoppedGoesOnByBothClocks(t *testing.T) {
	one := systemClock()
	time.Sleep(20 * time.Millisecond)
	other := systemClock()
	if other.mono-one.mono < 20*time.Millisecond || other.wall.Sub(one.wall) < 15*time.Millisecond {
		t.Error("a clock stood still")
	}
	if strings.Contains(other.wall.String(), "m=") {
		t.Error("the wall clock is read by the monotonic one")
	}
}

func TestTrustIsCountedFromWhenThePollWasSentAndABufferingProxyGivesNone(t *testing.T) {
	s := newStub(t)
	c := newTestClock()
	second, end := make(chan struct{}), make(chan struct{})
	s.set(func() {
		s.lease = 1000
		s.poll = func(w http.ResponseWriter, r *http.Request) {
			if s.count("poll") > 1 {
				close(second)
				<-end
				return
			}
			// The answer waits in a proxy for as long as it says that it can be trusted.
			c.step(950*time.Millisecond, 950*time.Millisecond)
			s.answerPoll(w, r)
		}
		s.verify = text(200, `{"allowed":true,"principal":{"kind":"api_key","id":"key_v","organization":"org_1"}}`)
	})
	g := guardOf(t, s.URL, nil, c.read)
	defer close(end)
	<-second
	if g.Trusted() {
		t.Error("an answer from the past is trusted")
	}
	g.expect(goodKey, 200)
	if s.count("lookup") != 0 || s.count("verify") != 1 {
		t.Error("it did not ask verify")
	}
}
