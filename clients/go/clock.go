package latchkey

import "time"

// A moment by both clocks: the monotonic one, which cannot be set but stands still while a machine sleeps, and the wall
// clock, which goes on while it sleeps but can be set.
type moment struct {
	mono time.Duration
	wall time.Time
}

type clock func() moment

var processStart = time.Now()

// systemClock reads both clocks at once. Sub takes the monotonic readings; Round(0) leaves the wall clock alone.
func systemClock() moment {
	now := time.Now()
	return moment{mono: now.Sub(processStart), wall: now.Round(0)}
}

// trust is the time for which a guard may answer from memory. The zero value is none.
type trust struct {
	from moment
	time time.Duration
}

// trustFrom counts from the moment at which the poll was sent. A twentieth is left for the drift of clocks.
func trustFrom(sent moment, trustFor time.Duration) trust {
	return trust{from: sent, time: trustFor / 20 * 19}
}

// holds says whether the trust lasts by both clocks. A wall clock that was set back below the moment at which the poll
// was sent says nothing any more, and ends it.
func (t trust) holds(now moment) bool {
	return now.mono-t.from.mono < t.time && now.wall.Sub(t.from.wall) < t.time && !now.wall.Before(t.from.wall)
}
