package latchkey

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
)

// pauseAfter is the time before the next try: longer after each failure, and not the same for all guards.
func pauseAfter(failures int) time.Duration {
	pause := min(longestPause, shortestPause<<min(failures, 10))
	return pause/2 + rand.N(pause/2)
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// followSessions keeps a session open, one after the other.
func (g *Guard) followSessions() {
	defer g.running.Done()
	for failures := 0; g.stopped.Err() == nil; {
		s, ctx, err := g.open(g.stopped)
		g.noteOpened(err)
		if err != nil {
			if g.stopped.Err() == nil {
				g.options.Logger.Warn("latchkey: no session", "error", err)
			}
			sleep(g.stopped, pauseAfter(failures))
			failures++
			continue
		}
		failures = 0
		g.face.Store(s.face)
		g.session.Store(s)
		g.triedOnce.Do(func() { close(g.tried) })
		began := time.Now()
		err = g.follow(ctx, s)
		s.end()
		if g.stopped.Err() != nil {
			return
		}
		g.options.Logger.Info("latchkey: another session", "error", err)
		if !hasStatus(err, http.StatusNotFound, http.StatusGone) {
			g.leave(g.stopped, s)
		}
		// A server that ends every session at once is not asked for others without a pause.
		if time.Since(began) < s.lease {
			sleep(g.stopped, pauseAfter(0))
		}
	}
}

func (g *Guard) noteOpened(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastError = err
	if err != nil {
		g.triedOnce.Do(func() { close(g.tried) })
	}
}

// quick is the time below which an answer without news was not held: a server that does not hold polls is not asked
// all the time.
const quick = 5 * time.Millisecond

// follow polls until the session is over, and returns why. A poll that is not answered ends trust at once.
func (g *Guard) follow(ctx context.Context, s *session) error {
	for failures := 0; ctx.Err() == nil; {
		before, began := s.position(), time.Now()
		err := g.poll(ctx, s)
		switch {
		case err == nil:
			failures = 0
			if g.Trusted() {
				g.readyOnce.Do(func() { close(g.ready) })
			}
			if s.position() == before && time.Since(began) < quick {
				sleep(ctx, shortestPause/2)
			}
			continue
		case ctx.Err() != nil:
			return errEnded
		}
		s.distrust()
		var unanswered *statusError
		isOver := errors.Is(err, errEnded) || errors.Is(err, errPosition)
		if isOver || hasStatus(err, http.StatusNotFound, http.StatusGone, http.StatusBadRequest) {
			return err
		}
		g.options.Logger.Warn("latchkey: no trust", "error", err, "answered", errors.As(err, &unanswered))
		sleep(ctx, pauseAfter(failures))
		failures++
	}
	return errEnded
}

func (s *session) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}
