package latchkey

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The lengths and the forms below are what a question may hold, in bytes and in characters.
const (
	longestPath         = 2048
	longestOrganization = 512
	longestObject       = 128
	// noOrganization is the id of none.
	noOrganization = "org_none"
)

// isID says whether the server takes a text of a path for an id. Another text is the id of nothing, and is judged as
// such.
func isID(text string, longest int) bool {
	return text != "" && utf8.ValidString(text) && utf8.RuneCountInString(text) <= longest &&
		!strings.ContainsFunc(text, unicode.IsControl)
}

var errNoAnswer = errors.New("latchkey: the answer has neither an entry nor a refusal")

// A question is the body of POST /api/v1/verify. What is left out is not needed, or not known.
type question struct {
	Credential   string   `json:"credential"`
	Resource     string   `json:"resource"`
	Scopes       []string `json:"scopes"`
	APIKeyOnly   bool     `json:"apiKeyOnly,omitempty"`
	Organization *string  `json:"organization,omitempty"`
	Feature      string   `json:"feature,omitempty"`
	Object       *struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"object,omitempty"`
	Credits     int    `json:"credits,omitempty"`
	Environment string `json:"environment,omitempty"`
	Address     string `json:"address,omitempty"`
	Method      string `json:"method,omitempty"`
	Path        string `json:"path,omitempty"`
}

// A verified is the answer: the principal, or a refusal that is ready to be sent.
type verified struct {
	Allowed   *bool `json:"allowed"`
	Principal *struct {
		Principal
		// Organization is what other answers call organizationId.
		Organization *string `json:"organization"`
	} `json:"principal"`
	Headers map[string]string `json:"headers"`
	Reason  string            `json:"reason"`
	Refusal *answer           `json:"refusal"`
}

var (
	askablePath   = regexp.MustCompile(`^/[\x21-\x7e]*$`)
	askableMethod = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$")
)

// verify asks the server about one request. It counts the call and takes what it costs there.
func (g *Guard) verify(ctx context.Context, f *face, c credential, need required, a arrival, at occasion) outcome {
	q := question{
		// The server insists on a list: nil would be null.
		Credential: c.text, Resource: g.options.Resource, Scopes: append([]string{}, need.scopes...), APIKeyOnly: need.apiKeyOnly,
		Organization: need.organization, Feature: need.feature, Credits: need.credits, Environment: need.environment,
	}
	if need.organization != nil && !isID(*need.organization, longestOrganization) {
		q.Organization = ptr(noOrganization)
	}
	if need.object != nil {
		id := need.object.id
		if !isID(id, longestObject) {
			// No credential is restricted to an id that was made just now.
			id = "obj_" + newKey()
		}
		q.Object = &struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		}{need.object.kind, id}
	}
	if a.address.IsValid() {
		q.Address = a.address.String()
	}
	if askableMethod.MatchString(a.method) {
		q.Method = a.method
	}
	if path := pathOf(a.target); len(path) <= longestPath && askablePath.MatchString(path) {
		q.Path = path
	}
	var v verified
	err := g.server.do(ctx, g.server.calls, ask{
		name: "a question", method: http.MethodPost, path: "/api/v1/verify", status: http.StatusOK, body: q,
		repeats: once,
	}, g.options.Timeout, &v)
	if err == nil {
		if out, ok := answered(f, c, need, v, at); ok {
			return out
		}
		err = errors.New("latchkey: the answer to a question has neither a principal nor a refusal")
	}
	g.contact.failed("latchkey: a request could not be judged", err)
	return outcome{refused: ptr(f.unavailable(at)), reason: "unavailable"}
}

// answered reads an answer. False: it is none.
func answered(f *face, c credential, need required, v verified, at occasion) (outcome, bool) {
	switch {
	case v.Allowed == nil:
		return outcome{}, false
	case !*v.Allowed:
		if v.Refusal == nil || !v.Refusal.isComplete() {
			return outcome{}, false
		}
		return outcome{refused: v.Refusal, reason: v.Reason}, true
	case v.Principal == nil || v.Principal.ID == "" || v.Principal.Kind != apiKey && v.Principal.Kind != accessToken:
		return outcome{}, false
	}
	p := v.Principal.Principal
	if v.Principal.Organization != nil {
		p.OrganizationID = *v.Principal.Organization
	}
	if p.ResourceID == "" {
		p.ResourceID = f.Resource.ID
	}
	// A question does not say how the credential was presented: in the wrong place it is not good.
	if p.Kind != c.kind && !f.Resource.Style.takesKeysAsBearer() {
		return outcome{refused: ptr(f.refuse(refusal{"malformed", c.kind}, need, nil, at)), reason: "malformed"}, true
	}
	return outcome{principal: &p, headers: v.Headers}, true
}

func ptr[T any](value T) *T { return &value }

// logOften logs what may happen for every request, once a second at most.
func (g *Guard) logOften(message string, err error) {
	now := time.Now().UnixMilli()
	last := g.lastLog.Load()
	if now-last < 1000 || !g.lastLog.CompareAndSwap(last, now) {
		return
	}
	g.options.Logger.Error(message, "error", err)
}
