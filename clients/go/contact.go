package latchkey

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A contact is what is told of a guard and its server, each problem once until it changes, and how long the guard
// pauses before it tries again. Rules 12 and 13 of docs/remote-guard.md.
type contact struct {
	logger *slog.Logger

	mu sync.Mutex
	// problem was told and is not over; empty: there is none.
	problem string
	// failureTold is when a failure of a request was last told; zero: never.
	failureTold time.Time
	// isClockTold: it was told that the clocks differ.
	isClockTold bool
	// refusals are the answers, without a break up to now, that refused this guard.
	refusals int
}

// refusesGuard says whether an answer refuses the guard: its secret is wrong, or it may not guard the resource.
func refusesGuard(err error) bool {
	return hasStatus(err, http.StatusUnauthorized, http.StatusForbidden)
}

// lost is told that the server is not followed. A refusal stands until another answer than 429: that is what too many
// refused attempts get.
func (c *contact) lost(message string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refusesGuard(err) || c.refusals > 0 && hasStatus(err, http.StatusTooManyRequests) {
		c.refusals++
	} else {
		c.refusals = 0
	}
	if problem := message + err.Error(); problem != c.problem {
		c.problem = problem
		c.logger.Warn(message, "error", err)
	}
}

// followed is told that the server has answered a poll.
func (c *contact) followed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = 0
	if c.problem != "" {
		c.problem = ""
		c.logger.Info("latchkey: the guard follows its authorization server again")
	}
}

// noteClock is told what is wrong with the clock, looked at with each session; empty: nothing. It is logged once until
// it is right again.
func (c *contact) noteClock(problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if problem != "" && !c.isClockTold {
		c.logger.Warn("latchkey: " + problem)
	}
	c.isClockTold = problem != ""
}

// clockProblem is what is wrong with the clock of a guard, by the Date of an answer to a request; empty: nothing that
// can be told. The server read its clock between asked and answered, and told whole seconds.
func clockProblem(date string, asked, answered time.Time) string {
	told, err := http.ParseTime(date)
	if err != nil {
		return ""
	}
	if behind := told.Sub(answered).Truncate(time.Second); behind > clockTolerance*time.Second {
		return fmt.Sprintf("the clock of this guard is %d s behind that of its authorization server: good tokens are "+
			"refused as not valid yet (malformed). Set both clocks, by NTP.", behind/time.Second)
	}
	if ahead := asked.Sub(told).Truncate(time.Second) - time.Second; ahead > clockTolerance*time.Second {
		return fmt.Sprintf("the clock of this guard is %d s ahead of that of its authorization server: good credentials "+
			"are refused as expired. Set both clocks, by NTP.", ahead/time.Second)
	}
	return ""
}

// failuresPer is the time in which one failure of requests is told, whatever becomes of the others.
const failuresPer = time.Minute

// failed is told that a request could not be judged.
func (c *contact) failed(message string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refusesGuard(err) && c.refusals == 0 {
		c.refusals = 1
	}
	if c.problem != "" || !c.failureTold.IsZero() && time.Since(c.failureTold) < failuresPer {
		return
	}
	c.failureTold = time.Now()
	c.logger.Error(message, "error", err)
}

// isRefused says whether the server refuses this guard: nothing is asked until another answer.
func (c *contact) isRefused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusals > 0
}

const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	// A guard that is refused leaves the limit of failed authentications to others.
	shortestRefused = time.Second
	longestRefused  = 30 * time.Second
)

// pause is the time before the next try.
func (c *contact) pause(failures int) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pauseAfter(failures, c.refusals)
}

// pauseAfter is longer after each failure, and not the same for all guards.
func pauseAfter(failures, refusals int) time.Duration {
	pause := min(longestPause, shortestPause<<min(failures, 10))
	if refusals > 0 {
		pause = min(longestRefused, shortestRefused<<min(refusals-1, 10))
	}
	return pause/2 + rand.N(pause/2)
}
