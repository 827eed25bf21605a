package latchkey

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// Entries of one report: as many as the server's limit of members in a body allows.
	mostInReport = 500
	// Keys with calls that are not reported yet.
	mostPending = 100_000
	mostCalls   = 100_000_000
)

// A usageKey is a key and a day, in days since the epoch, UTC.
type usageKey struct {
	key string
	day int64
}

type reportedCalls struct {
	Key   string `json:"key"`
	Calls int64  `json:"calls"`
	Day   string `json:"day"`
	day   int64
}

// A report is sent under its number until it is answered.
type report struct {
	session *session
	number  int
	entries []reportedCalls
	// isUncertain: it was sent and not answered, so it may have been counted.
	isUncertain bool
}

// usage counts the calls with API keys that were admitted from memory, until the server has counted them.
type usage struct {
	mu      sync.Mutex
	pending *lru[usageKey, int64]

	// What follows belongs to whatever reports, one at a time.
	reporting sync.Mutex
	current   *report
	session   *session
	number    int
}

func newUsage() *usage { return &usage{pending: newLRU[usageKey, int64](mostPending)} }

// count adds calls with a key on the day of an instant, UTC.
func (u *usage) count(key string, day, calls int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := usageKey{key, day}
	before, _ := u.pending.get(at)
	u.pending.put(at, before+calls)
}

const secondsOfDay = 86_400

func dayOf(instant time.Time) int64 { return instant.Unix() / secondsOfDay }

// dayText is a day as reports have it.
func dayText(day int64) string { return time.Unix(day*secondsOfDay, 0).UTC().Format(time.DateOnly) }

// next takes calls out for a report of keys that the session has asked about. Calls of a day before yesterday are not
// counted any more, and forgotten.
func (u *usage) next(s *session, now time.Time) []reportedCalls {
	today := dayOf(now)
	u.mu.Lock()
	defer u.mu.Unlock()
	var entries []reportedCalls
	for element := u.pending.order.Back(); element != nil && len(entries) < mostInReport; {
		previous := element.Prev()
		item := element.Value.(*lruItem[usageKey, int64])
		switch isCurrent := item.key.day == today || item.key.day == today-1; {
		case !isCurrent:
			u.pending.remove(element)
		case s.wasAsked(item.key.key):
			calls := min(item.value, mostCalls)
			entries = append(entries, reportedCalls{item.key.key, calls, dayText(item.key.day), item.key.day})
			if item.value -= calls; item.value == 0 {
				u.pending.remove(element)
			}
		}
		element = previous
	}
	return entries
}

// settle ends the present report. What the server may have counted is not counted again.
func (u *usage) settle(isCounted bool) {
	if !isCounted {
		for _, each := range u.current.entries {
			u.count(each.Key, each.day, each.Calls)
		}
	}
	u.current = nil
}

// reportUsage reports about once a second until the guard is closed.
func (g *Guard) reportUsage() {
	defer g.running.Done()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if s := g.session.Load(); s != nil {
				g.report(g.stopped, s)
			}
		case <-g.stopped.Done():
			return
		}
	}
}

// report sends what there is to report in a session, until there is nothing left or a report is not answered.
func (g *Guard) report(ctx context.Context, s *session) {
	u := g.usage
	u.reporting.Lock()
	defer u.reporting.Unlock()
	if u.session != s {
		if u.current != nil {
			u.settle(u.current.isUncertain)
		}
		u.session, u.number = s, 0
	}
	for {
		if u.current == nil {
			entries := u.next(s, g.clock().wall)
			if len(entries) == 0 {
				return
			}
			u.number++
			u.current = &report{session: s, number: u.number, entries: entries}
		}
		if !g.send(ctx, u) {
			return
		}
	}
}

// send sends the present report. False: it was not answered, or it was refused.
func (g *Guard) send(ctx context.Context, u *usage) bool {
	r := u.current
	err := g.server.do(ctx, g.server.calls, ask{
		name: "a report of usage", method: http.MethodPost, path: sessions + "/" + r.session.id + "/usage",
		body: map[string]any{"sequence": r.number, "entries": r.entries}, status: http.StatusNoContent,
		repeats: always,
	}, g.options.Timeout, nil)
	switch {
	case err == nil:
		u.settle(true)
		return true
	case hasStatus(err, http.StatusBadRequest, http.StatusConflict):
		// Refused as a whole: it would be refused again. The number is free.
		g.options.Logger.Error("latchkey: a report of usage was refused, and its calls are not counted", "error", err)
		u.settle(true)
		u.number--
	case hasStatus(err, http.StatusNotFound, http.StatusGone):
		u.settle(r.isUncertain)
		u.number--
	default:
		r.isUncertain = true
	}
	return false
}
