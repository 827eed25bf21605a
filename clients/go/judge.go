package latchkey

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// clockTolerance is the difference of clocks, in seconds, that a token from the future is forgiven (RFC 7519 §4.1.4).
const clockTolerance = 15

// required is what a route needs of one request: Needs with the names that the request's path holds.
type required struct {
	scopes     []string
	apiKeyOnly bool
	// organization that the path names; nil: it names none.
	organization *string
	feature      string
	object       *object
	environment  string
	credits      int
}

type object struct {
	kind, id string
}

// A refusal is a reason, and the kind of the credential that was presented: "api_key", "access_token", or empty for
// none or several.
type refusal struct {
	reason, presented string
}

// A verdict of what memory holds. refusal nil and asks false: the request passes, apart from limits per minute.
type verdict struct {
	refusal *refusal
	// asks: only the server can decide.
	asks bool
}

var passes, asks = verdict{}, verdict{asks: true}

func refused(reason, presented string) verdict { return verdict{refusal: &refusal{reason, presented}} }

// judge is the verdict on a request by an entry (docs/remote-guard.md, The verdict). It is pure, and the order of its
// checks is a contract: the first that fails is the reason.
func judge(e *entry, need required, address netip.Addr, now time.Time) verdict {
	if reason, presented := againstCredential(e, address, now); reason != "" {
		return refused(reason, presented)
	}
	p := e.Principal
	if need.environment != "" && p.Environment != need.environment {
		return refused("wrong_environment", e.Kind)
	}
	if need.organization != nil {
		if !slices.Contains(p.Organizations, *need.organization) {
			return refused("organization_not_found", e.Kind)
		}
		if *need.organization != p.OrganizationID {
			return asks
		}
	}
	if reason := againstPlan(e.Organization, need.feature); reason != "" {
		return refused(reason, e.Kind)
	}
	if p.Kind != apiKey && (need.apiKeyOnly || need.credits > 0 && e.Authorization == nil) {
		return refused("api_key_required", e.Kind)
	}
	for _, scope := range need.scopes {
		if !slices.Contains(p.Scopes, scope) {
			return refused("insufficient_scope", e.Kind)
		}
	}
	if e.hasPolicies {
		return asks
	}
	if need.object != nil && !p.mayTouch(need.object.kind, need.object.id) {
		return refused("object_not_allowed", e.Kind)
	}
	if e.asksEachTime || need.credits > 0 {
		return asks
	}
	return passes
}

// againstCredential is what time and address say against the credential itself; empty: nothing.
func againstCredential(e *entry, address netip.Addr, now time.Time) (reason, presented string) {
	if c := e.Claims; e.Kind == accessToken {
		seconds := float64(now.UnixMilli()) / 1000
		if math.Max(c.Iat, c.Nbf) > math.Floor(seconds)+clockTolerance {
			return "malformed", accessToken
		}
		if seconds >= c.Exp {
			return "expired", accessToken
		}
	} else if at := e.Key.ExpiresAt; at != nil && !at.After(now) {
		if e.Key.RotatedTo != nil {
			return "rotated", apiKey
		}
		return "expired", apiKey
	}
	if len(e.Principal.Allowlist) > 0 && !isWithin(address, e.allowlist) {
		return "address_not_allowed", e.Kind
	}
	return "", ""
}

// againstPlan is what the organization of the credential lacks for a route that needs a feature.
func againstPlan(own *organization, feature string) string {
	switch {
	case feature == "":
		return ""
	case own == nil || own.Status == "deleted":
		return "organization_not_found"
	case own.Status != "active":
		return "organization_suspended"
	case !slices.Contains(own.Features, feature):
		return "feature_missing"
	}
	return ""
}
