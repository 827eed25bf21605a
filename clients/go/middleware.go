package latchkey

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Needs are what a route requires of a credential. A route that takes any valid credential says AnyCredential.
type Needs struct {
	// Scopes, each of which is needed.
	Scopes []string
	// AnyCredential says that no scope is needed.
	AnyCredential bool
	// APIKeyOnly refuses access tokens.
	APIKeyOnly bool
	// Organization is the parameter of the path that holds an organization's id: "org" in /organizations/{org}/invoices.
	// One that the credential does not reach is answered like one that does not exist. Empty: the path names none.
	Organization string
	// Feature is what the plan of the organization has to include. Empty: nothing.
	Feature string
	// Object is what the path names, for credentials that are restricted to some objects.
	Object Object
	// Credits are what a call costs, at most what the resource declares. Such a route takes API keys, and clients that
	// act for people, and each call costs a request to the server.
	Credits int
}

// An Object is a type, and the parameter of the path that holds the id of an object of this type. The zero value is
// none.
type Object struct{ Type, Param string }

var scopeForm = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]{1,128}$`)

// check is what is wrong with needs; empty: nothing.
func (n Needs) check() string {
	for _, scope := range n.Scopes {
		if !scopeForm.MatchString(scope) {
			return fmt.Sprintf("%q is not a scope", scope)
		}
	}
	switch {
	case len(n.Scopes) == 0 && !n.AnyCredential:
		return "it names no scope: write Scopes, or AnyCredential for any valid credential"
	case len(n.Scopes) > 0 && n.AnyCredential:
		return "it names scopes and AnyCredential: use one of them"
	case n.Credits < 0:
		return "it costs less than no credits"
	case (n.Object.Type == "") != (n.Object.Param == ""):
		return "its Object has a type or a parameter, and not both"
	}
	return ""
}

// Require guards a handler. It answers each request that does not pass, in the words of the resource; the handler gets
// the others, with FromContext. It panics for needs that cannot be meant, as net/http does for wrong patterns.
func (g *Guard) Require(needs Needs, next http.Handler) http.Handler {
	if wrong := needs.check(); wrong != "" {
		panic("latchkey: a guarded route does not say what it needs: " + wrong)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(needs, next, w, r) })
}

// RequireFunc is Require for a function.
func (g *Guard) RequireFunc(needs Needs, next func(http.ResponseWriter, *http.Request)) http.Handler {
	return g.Require(needs, http.HandlerFunc(next))
}

func (g *Guard) serve(needs Needs, next http.Handler, w http.ResponseWriter, r *http.Request) {
	a := arrival{
		method: r.Method, target: targetOf(r), header: r.Header, caller: callerOf(r, g.trusted), requestID: g.newRequestID(),
	}
	at := occasion{target: a.target, requestID: a.requestID, now: g.clock().wall}
	need, missing := g.needOf(needs, r)
	var out outcome
	if missing == "" {
		out = g.admit(r.Context(), need, a, at)
	} else {
		g.logOften("latchkey: a guarded route has no such parameter in its path", fmt.Errorf("parameter %q", missing))
		out = outcome{refused: ptr(g.face.Load().unavailable(at)), reason: "unavailable"}
	}
	if out.principal != nil && hasTokenInBody(r) {
		out = refuse(g.face.Load(), refusal{"several_credentials", ""}, need, nil, at)
	}
	if out.refused != nil {
		g.refuse(w, out, a, at)
		return
	}
	g.prepare(w.Header(), out.headers)
	next.ServeHTTP(w, withPrincipal(r, out.principal))
}

// needOf fills the names that the path holds. missing is a parameter that it does not have: what the route is about
// cannot be told then.
func (g *Guard) needOf(n Needs, r *http.Request) (need required, missing string) {
	need = required{
		scopes: n.Scopes, apiKeyOnly: n.APIKeyOnly, feature: n.Feature,
		environment: g.options.Environment, credits: n.Credits,
	}
	if n.Organization != "" {
		id := g.options.PathValue(r, n.Organization)
		if id == "" {
			return need, n.Organization
		}
		need.organization = &id
	}
	if n.Object.Param != "" {
		id := g.options.PathValue(r, n.Object.Param)
		if id == "" {
			return need, n.Object.Param
		}
		need.object = &object{n.Object.Type, id}
	}
	return need, ""
}

// refuse logs the precise reason and sends the answer.
func (g *Guard) refuse(w http.ResponseWriter, out outcome, a arrival, at occasion) {
	g.options.Logger.Info("latchkey: refused", "reason", out.reason, "requestId", a.requestID,
		"method", a.method, "path", pathOf(at.target))
	for name, value := range out.refused.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(out.refused.Status)
	_, _ = io.WriteString(w, out.refused.Body)
}

// prepare sets what keeps an answer out of shared caches and apart from the answers to other credentials (RFC 9111
// §3.5 does so for Authorization alone). A handler may set Cache-Control itself.
func (g *Guard) prepare(headers http.Header, more map[string]string) {
	headers.Set("Cache-Control", "private")
	headers.Add("Vary", g.face.Load().vary)
	for name, value := range more {
		headers.Set(name, value)
	}
}

// targetOf is the target as the request had it: net/http's patterns and StripPrefix change the URL.
func targetOf(r *http.Request) string {
	if r.RequestURI != "" {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// newRequestID names a request in its refusal and in the log: by the process and a number.
func (g *Guard) newRequestID() string {
	return processName + strconv.FormatUint(g.requests.Add(1), 36)
}

var processName = newProcessName()

func newProcessName() string {
	var random [8]byte
	_, _ = rand.Read(random[:])
	return "req-" + hex.EncodeToString(random[:]) + "-"
}

// largestForm is what is looked at of a form, in bytes.
const largestForm = 1 << 20

// hasTokenInBody says whether a form has an access token beside the credential of the request: a second one (RFC 6750
// §2). The handler reads the body from its start.
func hasTokenInBody(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	// The names of media types are the same in any case (RFC 9110 §8.3.1).
	kind := strings.ToLower(r.Header.Get("Content-Type"))
	if !strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, largestForm))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failing{err}
	}
	r.Body = body{io.MultiReader(bytes.NewReader(text), rest), r.Body}
	return len(queryNamed(string(text), "access_token")) > 0
}

// A body is read anew from what was read already.
type body struct {
	io.Reader
	io.Closer
}

// failing is the rest of a body that broke off.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
