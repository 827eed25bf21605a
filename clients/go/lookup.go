package latchkey

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
)

// A found is what the server says of a credential: an entry or a refusal. Both nil: it could not be asked.
type found struct {
	entry   *entry
	refusal *refusal
	err     error
}

// A flight is a look-up under way. What arrives while it is under way waits for it.
type flight struct {
	done  chan struct{}
	found found
}

// A wireLookup is the answer to a look-up.
type wireLookup struct {
	Position *int64     `json:"position"`
	Entry    *wireEntry `json:"entry"`
	// Elsewhere are calls of this minute that the guard has not counted itself.
	Elsewhere totals `json:"elsewhere"`
	Refusal   *struct {
		Reason    string  `json:"reason"`
		Presented *string `json:"presented"`
	} `json:"refusal"`
}

var errRefused = errors.New("latchkey: the server refuses this guard")

// find is what memory or a look-up says of a credential. isTrusted false: memory may not be used, and nothing was
// asked.
//
// A look-up that began before a request arrived may have been answered before a change which that request must see.
// So its answer counts for that request only if it was kept; else the request takes part in a look-up that began later.
func (g *Guard) find(ctx context.Context, s *session, c credential, from netip.Addr) (what found, isTrusted bool) {
	key := memoryKeyOf(c)
	for isFirst := true; ; isFirst = false {
		kept, isTrusted := s.recall(key, g.clock())
		if !isTrusted {
			return found{}, false
		}
		if kept != nil {
			return found{entry: kept}, true
		}
		if g.contact.isRefused() {
			return found{err: errRefused}, true
		}
		f, isOwn := g.flightOf(s, key, c, from)
		select {
		case <-f.done:
		case <-ctx.Done():
			return found{err: ctx.Err()}, true
		}
		if isOwn || !isFirst {
			return f.found, true
		}
	}
}

// flightOf is the look-up that is under way for a credential, or one that begins now.
func (g *Guard) flightOf(s *session, key memoryKey, c credential, from netip.Addr) (f *flight, isOwn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.flights[key]; ok {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	s.flights[key] = f
	// Its time is not that of the request which began it: others wait for it.
	go func() {
		what := g.lookUp(s, key, c, from)
		s.mu.Lock()
		delete(s.flights, key)
		s.mu.Unlock()
		f.found = what
		close(f.done)
	}()
	return f, true
}

// lookUp asks the server. The address of the caller is for the server's audit log: the entry is good for any.
func (g *Guard) lookUp(s *session, key memoryKey, c credential, from netip.Addr) found {
	var answer wireLookup
	body := map[string]string{"credential": c.text, "kind": c.kind}
	if from.IsValid() {
		body["address"] = from.String()
	}
	err := g.server.do(g.stopped, g.server.calls, ask{
		name: "a look-up", method: http.MethodPost, path: sessions + "/" + s.id + "/lookup", status: http.StatusOK,
		body: body, repeats: always,
	}, g.options.Timeout, &answer)
	if hasStatus(err, http.StatusNotFound, http.StatusGone) {
		s.end()
	}
	if refusesGuard(err) {
		g.contact.failed("latchkey: a look-up was refused", err)
	}
	switch {
	case err != nil:
		return found{err: err}
	case answer.Entry != nil:
		e, err := readEntry(answer.Entry)
		if err != nil {
			return found{err: err}
		}
		s.limiter.found(boundsOf(e), answer.Elsewhere, g.clock().wall)
		s.keep(key, e, answer.Position)
		return found{entry: e}
	case answer.Refusal != nil && answer.Refusal.Reason != "":
		presented := ""
		if answer.Refusal.Presented != nil {
			presented = *answer.Refusal.Presented
		}
		return found{refusal: &refusal{answer.Refusal.Reason, presented}}
	}
	return found{err: errNoAnswer}
}
