package latchkey

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"strings"
	"time"
)

const (
	apiKey      = "api_key"
	accessToken = "access_token"
)

// A wireEntry is an entry as a look-up answers it.
type wireEntry struct {
	Facts        facts    `json:"facts"`
	Follows      []string `json:"follows"`
	AsksEachTime bool     `json:"asksEachTime"`
}

// facts are the records that a verdict follows from (docs/remote-guard.md, Entries).
type facts struct {
	Kind      string     `json:"kind"`
	Principal *Principal `json:"principal"`
	Key       *keyFacts  `json:"key"`
	Claims    *claims    `json:"claims"`
	// Authorization is what a person has allowed the client of a token; nil: the client acts for itself.
	Authorization *consumer           `json:"authorization"`
	Organization  *organization       `json:"organization"`
	Policies      [][]json.RawMessage `json:"policies"`
}

type keyFacts struct {
	consumer
	ExpiresAt *time.Time `json:"expiresAt"`
	RotatedTo *string    `json:"rotatedTo"`
}

// A consumer is that by which calls are counted and limited: a key, or what a person has allowed a client.
type consumer struct {
	ID             string `json:"id"`
	OrganizationID string `json:"organizationId"`
	Environment    string `json:"environment"`
	ChainID        string `json:"chainId"`
	CallsPerMinute *int64 `json:"callsPerMinute"`
}

// consumer is that of an entry; nil: its calls are not counted.
func (f *facts) consumer() *consumer {
	if f.Kind == apiKey {
		return &f.Key.consumer
	}
	return f.Authorization
}

// claims are seconds since the epoch.
type claims struct {
	Iat float64 `json:"iat"`
	Nbf float64 `json:"nbf"`
	Exp float64 `json:"exp"`
}

type organization struct {
	ID             string   `json:"id"`
	Status         string   `json:"status"`
	Features       []string `json:"features"`
	CallsPerMinute *int64   `json:"callsPerMinute"`
}

// An entry is what memory holds of a credential: facts that were checked for completeness, with their allowlist read.
type entry struct {
	facts
	follows []string
	// asksEachTime: only the server can decide, because it counts exactly or because policies apply.
	asksEachTime bool
	hasPolicies  bool
	allowlist    []netip.Prefix
}

// readEntry checks that an entry has all that a verdict reads. One that nothing could outdate is none.
func readEntry(wire *wireEntry) (*entry, error) {
	f := wire.Facts
	switch {
	case f.Principal == nil || f.Principal.ID == "":
		return nil, errors.New("an entry without a principal")
	case f.Principal.Kind != f.Kind:
		return nil, errors.New("an entry whose principal is of another kind")
	case f.Kind == apiKey && f.Key == nil:
		return nil, errors.New("an entry of an API key without the key")
	case f.Kind == accessToken && (f.Claims == nil || !(f.Claims.Exp > 0)):
		return nil, errors.New("an entry of an access token without its claims")
	case f.Kind != apiKey && f.Kind != accessToken:
		return nil, errors.New("an entry of an unknown kind")
	case f.consumer() != nil && (f.consumer().ID == "" || f.consumer().ChainID == "" || f.Organization == nil):
		return nil, errors.New("an entry with calls to count that does not say whose they are")
	case len(wire.Follows) == 0:
		return nil, errors.New("an entry that follows from nothing")
	}
	e := &entry{facts: f, follows: wire.Follows, asksEachTime: wire.AsksEachTime}
	for _, policies := range f.Policies {
		e.hasPolicies = e.hasPolicies || len(policies) > 0
	}
	e.allowlist = readRanges(f.Principal.Allowlist)
	return e, nil
}

// followsAny says whether an entry follows from one of the subjects.
func (e *entry) followsAny(subjects map[string]bool) bool {
	for _, subject := range e.follows {
		if subjects[subject] {
			return true
		}
	}
	return false
}

// readRanges reads addresses and CIDR ranges. An entry that is neither holds no address.
func readRanges(texts []string) []netip.Prefix {
	ranges := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		if r, ok := readRange(text); ok {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

// readRange reads an address or a CIDR range; that of IPv4-mapped addresses is the range of their IPv4 form.
func readRange(text string) (netip.Prefix, bool) {
	if !strings.Contains(text, "/") {
		address := readAddress(text)
		if !address.IsValid() {
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	if !prefix.Addr().Is4In6() {
		return prefix.Masked(), true
	}
	if prefix.Bits() < 96 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96).Masked(), true
}

func isWithin(address netip.Addr, ranges []netip.Prefix) bool {
	if !address.IsValid() {
		return false
	}
	for _, r := range ranges {
		if r.Contains(address) {
			return true
		}
	}
	return false
}

// perMinute is the limit of calls in a minute; 0: none is possible, negative: no limit.
func perMinute(limit *int64) int64 {
	if limit == nil {
		return -1
	}
	return min(max(*limit, 0), math.MaxInt32)
}
