package latchkey

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// A Principal is what a credential proves. Its slices and maps are shared between requests: do not change them.
type Principal struct {
	// Kind is "api_key" or "access_token".
	Kind string `json:"kind"`
	// ID is the id of the key (key_…), or the client_id; see IDKind.
	ID string `json:"id"`
	// IDKind is "api_key" for an access token that a key was exchanged for; empty: ID is what Kind says.
	IDKind string `json:"idKind"`
	// Subject is the person that a machine acts for; empty: it acts for itself.
	Subject string `json:"subject"`
	Name    string `json:"name"`
	// OrganizationID is its own organization; empty: it has none.
	OrganizationID string `json:"organizationId"`
	// Organizations are all whose data it reaches, its own first.
	Organizations []string `json:"organizations"`
	// Environment is "live" or "test".
	Environment string `json:"environment"`
	// Resource is the identifier of the API that the credential is for, and ResourceID its id.
	Resource   string `json:"resource"`
	ResourceID string `json:"resourceId"`
	// Groups are those of the member that a key is bound to; nil: unknown.
	Groups []string `json:"groups"`
	// Access is "full", "read-only" or "custom"; empty: it is no API key.
	Access string   `json:"access"`
	Scopes []string `json:"scopes"`
	// Objects are the ids that it is restricted to, by type. A type that is not there is not restricted.
	Objects   map[string][]string `json:"objects"`
	Allowlist []string            `json:"allowlist"`
	// ExpiresAt is nil when it never expires.
	ExpiresAt *time.Time `json:"expiresAt"`
}

// HasScope says whether the principal has a scope.
func (p Principal) HasScope(name string) bool { return slices.Contains(p.Scopes, name) }

// mayTouch says whether the restrictions to objects leave an object of a type.
func (p *Principal) mayTouch(kind, id string) bool {
	ids, isRestricted := p.Objects[kind]
	return !isRestricted || slices.Contains(ids, id)
}

type principalKey struct{}

// FromContext returns the principal of a request that a guard has admitted. False: no guard has.
func FromContext(ctx context.Context) (Principal, bool) {
	principal, ok := ctx.Value(principalKey{}).(*Principal)
	if !ok {
		return Principal{}, false
	}
	return *principal, true
}

func withPrincipal(r *http.Request, principal *Principal) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), principalKey{}, principal))
}
