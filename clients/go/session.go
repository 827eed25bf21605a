package latchkey

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"
)

// An opened is the answer that opens a session.
type opened struct {
	Session  string `json:"session"`
	Position int64  `json:"position"`
	// Lease in milliseconds.
	Lease float64 `json:"lease"`
	face
}

// A news is the answer to a poll.
type news struct {
	Position *int64   `json:"position"`
	Changes  []string `json:"changes"`
	// TrustFor in milliseconds from the moment at which the poll was sent.
	TrustFor *float64 `json:"trustFor"`
	// Counted is the number of Elsewhere, to be confirmed by the next poll.
	Counted   int64  `json:"counted"`
	Elsewhere totals `json:"elsewhere"`
}

// A memoryKey names a credential: how it was presented and the SHA-256 of its text, which is not kept.
type memoryKey struct {
	kind   string
	digest [sha256.Size]byte
}

func memoryKeyOf(c credential) memoryKey { return memoryKey{c.kind, sha256.Sum256([]byte(c.text))} }

// A session is a memory and the trust to answer from it. Another session begins with an empty one.
type session struct {
	id    string
	lease time.Duration
	face  *face
	// over ends everything that belongs to it.
	over context.CancelFunc

	mu      sync.Mutex
	applied int64
	trust   trust
	hasEnd  bool
	memory  *lru[memoryKey, *entry]
	flights map[memoryKey]*flight
	// asked has the ids of the consumers that the server may be told of calls with.
	asked *lru[string, struct{}]
	// counted is the number of the last answer whose counts were added.
	counted int64
	// limiter begins with the session: what the server has counted comes with the entries that it hands out.
	limiter *limiter
}

const (
	shortestLease = 10 * time.Millisecond
	longestLease  = 10 * time.Minute
	// Keys whose calls can be reported; the server holds no more for a session.
	mostAsked = 100_000
)

func newSession(o opened, entries int, over context.CancelFunc) (*session, error) {
	lease := time.Duration(o.Lease * float64(time.Millisecond))
	switch {
	case o.Session == "" || o.Position < 0 || !isToken(o.Session):
		return nil, errors.New("latchkey: the answer to opening a session names none")
	case !(o.Lease > 0) || lease < shortestLease || lease > longestLease:
		return nil, errors.New("latchkey: the answer to opening a session has no lease between 10 ms and 10 minutes")
	case len(o.Resource.Style.Transports) == 0 || !o.Unavailable.isComplete() || len(o.Refusals) == 0:
		return nil, errors.New("latchkey: the answer to opening a session does not say how the resource refuses")
	}
	face := o.face
	face.vary = credentialHeaders(face.Resource.Style)
	return &session{
		id: o.Session, lease: lease, face: &face, over: over, applied: o.Position,
		memory: newLRU[memoryKey, *entry](entries), flights: map[memoryKey]*flight{},
		asked: newLRU[string, struct{}](mostAsked), limiter: newLimiter(),
	}, nil
}

// isToken says whether a text can stand in a path as it is.
func isToken(text string) bool {
	for _, r := range text {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return true
}

// recall is the entry of a credential. isTrusted false: memory may not be used at this moment.
func (s *session) recall(key memoryKey, now moment) (found *entry, isTrusted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasEnd || !s.trust.holds(now) {
		return nil, false
	}
	found, _ = s.memory.get(key)
	return found, true
}

// keep remembers an entry if nothing was applied since it was gathered. It also notes that the server may be told of
// calls with its key. Rule 5 of docs/remote-guard.md.
func (s *session) keep(key memoryKey, e *entry, position *int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position == nil || s.hasEnd {
		return false
	}
	if c := e.consumer(); c != nil {
		s.asked.put(c.ID, struct{}{})
	}
	if *position < s.applied {
		return false
	}
	s.memory.put(key, e)
	return true
}

// After each of these the guard has to open another session.
var (
	errEnded    = errors.New("latchkey: the session has ended")
	errPosition = errors.New("latchkey: the answer to a poll names a position that was applied already")
)

// apply drops what is outdated, and only then counts the answer as trust.
func (s *session) apply(n news, sent moment) error {
	if n.Position == nil || n.TrustFor == nil || !(*n.TrustFor >= 0) {
		return errors.New("latchkey: the answer to a poll has no position or no trustFor")
	}
	if n.Counted < 0 {
		return errors.New("latchkey: the answer to a poll has a negative number of its counts")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if *n.Position < s.applied || *n.Position == s.applied && len(n.Changes) > 0 {
		return errPosition
	}
	changed := make(map[string]bool, len(n.Changes))
	for _, subject := range n.Changes {
		if s.endsBy(subject) {
			return errEnded
		}
		changed[subject] = true
	}
	if changed["everything"] {
		s.memory.clear()
	} else if len(changed) > 0 {
		s.memory.dropIf(func(e *entry) bool { return e.followsAny(changed) })
	}
	s.applied = *n.Position
	trustFor := min(*n.TrustFor, float64(s.lease/time.Millisecond))
	s.trust = trustFrom(sent, time.Duration(trustFor*float64(time.Millisecond)))
	return nil
}

// endsBy says whether a change is of what the session itself follows from: its resource, and the keys of tokens.
func (s *session) endsBy(subject string) bool {
	owner := s.face.Resource.Organization
	return subject == "resources" || subject == "signing-keys" || owner != nil && subject == "resources:"+*owner
}

func (s *session) distrust() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = trust{}
}

// end empties the memory for good.
func (s *session) end() {
	s.over()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hasEnd = true
	s.trust = trust{}
	s.memory.clear()
}

func (s *session) wasAsked(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.asked.get(key)
	return ok
}

// open opens a session: the answer says how the resource refuses, too.
func (g *Guard) open(ctx context.Context) (*session, context.Context, error) {
	var answer opened
	var header http.Header
	asked := g.clock()
	err := g.server.do(ctx, g.server.polls, ask{
		name: "opening a session", method: http.MethodPost, path: sessions, status: http.StatusCreated,
		body:   map[string]any{"resource": g.options.Resource, "guard": agent, "templates": true},
		header: &header,
	}, g.options.Timeout, &answer)
	if err != nil {
		return nil, nil, err
	}
	g.contact.noteClock(clockProblem(header.Get("Date"), asked.wall, g.clock().wall))
	ctx, over := context.WithCancel(ctx)
	s, err := newSession(answer, g.options.MaxEntries, over)
	if err != nil {
		over()
		return nil, nil, err
	}
	return s, ctx, nil
}

// poll asks for changes, and confirms those that were applied. The server holds it for a quarter of the lease.
func (g *Guard) poll(ctx context.Context, s *session) error {
	s.mu.Lock()
	applied, counted := s.applied, s.counted
	s.mu.Unlock()
	sent := g.clock()
	var answer news
	err := g.server.do(ctx, g.server.polls, ask{
		name: "a poll", method: http.MethodPost, path: sessions + "/" + s.id + "/poll", status: http.StatusOK,
		body: map[string]any{"applied": applied, "counted": counted},
	}, s.lease+g.options.Timeout, &answer)
	if err != nil {
		return err
	}
	if err := s.apply(answer, sent); err != nil {
		return err
	}
	s.hear(answer, g.clock())
	return nil
}

// hear adds what was counted elsewhere; the next poll confirms it.
func (s *session) hear(n news, now moment) {
	if n.Elsewhere == nil {
		return
	}
	s.limiter.hear(n.Elsewhere, now.wall)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted = n.Counted
}

// leave tells the server that no change has to wait for the session.
func (g *Guard) leave(ctx context.Context, s *session) {
	_ = g.server.do(ctx, g.server.polls, ask{
		name: "ending a session", method: http.MethodDelete, path: sessions + "/" + s.id, status: http.StatusNoContent,
		repeats: always,
	}, g.options.Timeout, nil)
}
