package latchkey

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// call is one call in the unit of the buckets: a bucket of n calls leaks n units in a millisecond, so all arithmetic is
// in whole numbers.
const call = 60_000

// disorder is the time, in milliseconds, by which calls may arrive out of order. A larger step back means that the
// clock was set back.
const disorder = 10_000

const mostBuckets = 100_000

// mostHolders is the number of holders whose counts elsewhere are remembered; the server ends a session that has more.
const mostHolders = 500_000

// A limitState is the state of a limit of calls in a minute, as the caller is told of it.
type limitState struct {
	policy string
	quota  int64
	// remaining calls, and the seconds until the full quota is available; of an exhausted one, until one call is.
	remaining, resetSeconds int64
}

// A limiter counts calls per minute by leaky buckets: those of one session, and those that its server says were counted
// elsewhere.
type limiter struct {
	mu        sync.Mutex
	buckets   *lru[string, *bucket]
	elsewhere *lru[string, *elsewhere]
}

type bucket struct{ used, at, perMinute int64 }

// An elsewhere is what was counted elsewhere of a holder: the greatest total that the server told, the part of it that
// is in the bucket, and the limit, negative until an entry with it was found.
type elsewhere struct{ told, added, perMinute int64 }

// totals of calls that were counted elsewhere since the session asked first, by holder.
type totals map[string]int64

func newLimiter() *limiter {
	return &limiter{
		buckets: newLRU[string, *bucket](mostBuckets), elsewhere: newLRU[string, *elsewhere](mostHolders),
	}
}

// A bound is a limit and its holder.
type bound struct {
	holder, policy string
	perMinute      int64
}

// boundsOf are the limits per minute of an entry: of its consumer, then of its organization in the environment.
func boundsOf(e *entry) []bound {
	c := e.consumer()
	if c == nil {
		return nil
	}
	var bounds []bound
	if n := perMinute(c.CallsPerMinute); n >= 0 {
		bounds = append(bounds, bound{c.ChainID, "minute", n})
	}
	if n := perMinute(e.Organization.CallsPerMinute); n >= 0 {
		bounds = append(bounds, bound{c.OrganizationID + ":" + c.Environment, "organization-minute", n})
	}
	return bounds
}

// take adds one call to every bucket, or to none. False: the last of the states is that of the limit that is reached.
func (l *limiter) take(bounds []bound, now time.Time) ([]limitState, bool) {
	if len(bounds) == 0 {
		return nil, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	states := make([]limitState, 0, len(bounds))
	taken := make([]*bucket, 0, len(bounds))
	for _, b := range bounds {
		bucket := l.bucketOf(b, now.UnixMilli())
		if bucket.used+call > b.perMinute*call {
			for _, other := range taken {
				other.used = max(0, other.used-call)
			}
			return append(states, stateOf(bucket, b)), false
		}
		bucket.used += call
		taken = append(taken, bucket)
		states = append(states, stateOf(bucket, b))
	}
	return states, true
}

// found notes that an entry with limits was handed out. Only from now on they are known.
func (l *limiter) found(bounds []bound, told totals, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range bounds {
		known := l.elsewhereOf(b.holder)
		known.perMinute = b.perMinute
		l.owe(b.holder, known, told[b.holder], now)
	}
}

// hear owes what the totals have more than those before: nothing is added twice, in whatever order they come.
func (l *limiter) hear(told totals, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for holder, total := range told {
		l.owe(holder, l.elsewhereOf(holder), total, now)
	}
}

func (l *limiter) elsewhereOf(holder string) *elsewhere {
	known, ok := l.elsewhere.get(holder)
	if !ok {
		known = &elsewhere{perMinute: -1}
		l.elsewhere.put(holder, known)
	}
	return known
}

func (l *limiter) owe(holder string, known *elsewhere, total int64, now time.Time) {
	known.told = max(known.told, total)
	if known.perMinute < 0 || known.told == known.added {
		return
	}
	bucket := l.bucketOf(bound{holder: holder, perMinute: known.perMinute}, now.UnixMilli())
	// A bucket holds twice its capacity at most: no count keeps a holder out for longer than a minute.
	room := max(0, (2*known.perMinute*call-bucket.used)/call)
	bucket.used += min(known.told-known.added, room) * call
	known.added = known.told
}

func (l *limiter) bucketOf(b bound, now int64) *bucket {
	found, ok := l.buckets.get(b.holder)
	if !ok {
		found = &bucket{at: now, perMinute: b.perMinute}
		l.buckets.put(b.holder, found)
	}
	found.leak(b.perMinute, now)
	return found
}

// leak up to an instant is not repeated for a call that began earlier. After the clock was set back, nothing leaks
// until it advances; a lowered capacity also lowers the content.
func (b *bucket) leak(perMinute, now int64) {
	if b.perMinute != perMinute {
		b.used = min(b.used, perMinute*call)
	}
	b.perMinute = perMinute
	// No bucket holds more than a minute: a longer time empties it, and its product is not computed.
	if passed := now - b.at; passed >= call {
		b.used = 0
	} else {
		b.used = max(0, b.used-max(0, passed)*perMinute)
	}
	if now > b.at || now < b.at-disorder {
		b.at = now
	}
}

func stateOf(b *bucket, of bound) limitState {
	remaining := max(0, (of.perMinute*call-b.used)/call)
	units := b.used
	if remaining == 0 {
		units = b.used + call - of.perMinute*call
	}
	return limitState{of.policy, of.perMinute, remaining, secondsToLeak(units, of.perMinute)}
}

func secondsToLeak(units, perMinute int64) int64 {
	if perMinute == 0 {
		return 60
	}
	milliseconds := (units + perMinute - 1) / perMinute
	return (milliseconds + 999) / 1000
}

// addRateLimits adds the fields of draft-ietf-httpapi-ratelimit-headers-11.
func addRateLimits(headers map[string]string, limits []limitState) {
	if len(limits) == 0 {
		return
	}
	policies, states := make([]string, len(limits)), make([]string, len(limits))
	for i, l := range limits {
		policies[i] = fmt.Sprintf(`"%s";q=%d;w=60`, l.policy, l.quota)
		states[i] = fmt.Sprintf(`"%s";r=%d;t=%d`, l.policy, l.remaining, l.resetSeconds)
	}
	headers["ratelimit-policy"] = strings.Join(policies, ", ")
	headers["ratelimit"] = strings.Join(states, ", ")
}
