package latchkey

import (
	"context"
	"errors"
	"net/http"
	"time"
)

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
				g.contact.lost("latchkey: no session", err)
			}
			sleep(g.stopped, g.contact.pause(failures))
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
		if errors.Is(err, errEnded) {
			g.options.Logger.Info("latchkey: another session", "error", err)
		} else {
			g.contact.lost("latchkey: another session", err)
		}
		if !refusesGuard(err) && !hasStatus(err, http.StatusNotFound, http.StatusGone) {
			g.leave(g.stopped, s)
		}
		// A server that ends every session at once, or refuses the guard, is not asked for others without a pause.
		if refusesGuard(err) || time.Since(began) < s.lease {
			sleep(g.stopped, g.contact.pause(0))
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
			g.contact.followed()
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
		isOver := errors.Is(err, errEnded) || errors.Is(err, errPosition) || refusesGuard(err)
		if isOver || hasStatus(err, http.StatusNotFound, http.StatusGone, http.StatusBadRequest) {
			return err
		}
		g.contact.lost("latchkey: no trust", err)
		sleep(ctx, g.contact.pause(failures))
		failures++
	}
	return errEnded
}

func (s *session) position() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}
