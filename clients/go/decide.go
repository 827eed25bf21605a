package latchkey

import (
	"context"
	"net/http"
	"strings"
)

// An arrival is a request as it is judged, wherever it arrived.
type arrival struct {
	method, target string
	header         http.Header
	caller
	requestID string
}

// query is the part of the target behind the first question mark.
func (a arrival) query() string {
	_, query, _ := strings.Cut(a.target, "?")
	return query
}

// An outcome is a principal, or the answer to a request that does not pass, with the reason for the log.
type outcome struct {
	principal *Principal
	// headers of an admitted request, to be set on its answer.
	headers map[string]string
	refused *answer
	reason  string
	// counted is the consumer whose call has to be reported; empty: the server has counted it, or nothing counts it.
	counted string
	// asks: only the server can decide.
	asks bool
}

// form reads the credential of a request, or refuses it for its form alone.
func form(f *face, need required, a arrival, at occasion) (credential, *outcome) {
	// Before its credential is looked at: the sender of one in clear is told, whether it is good or not.
	if f.Resource.Style.RequireTLS && !a.tls {
		return credential{}, ptr(refuse(f, refusal{"tls_required", ""}, need, nil, at))
	}
	c, against := present(f.Resource.Style, a.header, a.query())
	if against != nil {
		return credential{}, ptr(refuse(f, *against, need, nil, at))
	}
	return c, nil
}

// decide is the outcome by what was found of the credential. It is the same for every guard: test/vectors/guard.json.
func decide(f *face, l *limiter, what found, need required, a arrival, at occasion) outcome {
	if what.refusal != nil {
		return refuse(f, *what.refusal, need, nil, at)
	}
	e := what.entry
	v := judge(e, need, a.address, at.now)
	switch {
	case v.asks:
		return outcome{asks: true}
	case v.refusal != nil:
		return refuse(f, *v.refusal, need, nil, at)
	}
	limits, isTaken := l.take(boundsOf(e), at.now)
	if !isTaken {
		return refuse(f, refusal{"rate_limited", e.Kind}, need, limits, at)
	}
	out := outcome{principal: e.Principal}
	if len(limits) > 0 {
		out.headers = map[string]string{}
		addRateLimits(out.headers, limits)
	}
	if c := e.consumer(); c != nil {
		out.counted = c.ID
	}
	return out
}

func refuse(f *face, why refusal, need required, limits []limitState, at occasion) outcome {
	return outcome{refused: ptr(f.refuse(why, need, limits, at)), reason: why.reason}
}

// admit is the outcome of a request: from memory with trust, else by asking the server.
func (g *Guard) admit(ctx context.Context, need required, a arrival, at occasion) outcome {
	// The first session may be on its way.
	select {
	case <-g.tried:
	case <-g.stopped.Done():
	case <-ctx.Done():
	}
	f, s := g.face.Load(), g.session.Load()
	if f == nil || g.stopped.Err() != nil {
		return outcome{refused: ptr(f.unavailable(at)), reason: "unavailable"}
	}
	c, against := form(f, need, a, at)
	if against != nil {
		return *against
	}
	out := g.fromMemory(ctx, s, f, c, need, a, at)
	switch {
	case out.asks && g.contact.isRefused():
		return outcome{refused: ptr(f.unavailable(at)), reason: "unavailable"}
	case out.asks:
		out = g.verify(ctx, f, c, need, a, at)
	}
	if out.principal != nil && c.inQuery {
		out.headers = discouraging(f.Resource.Style, out.headers)
	}
	return out
}

// fromMemory decides without the server, or with a look-up alone. asks: it cannot.
func (g *Guard) fromMemory(
	ctx context.Context, s *session, f *face, c credential, need required, a arrival, at occasion,
) outcome {
	if s == nil {
		return outcome{asks: true}
	}
	what, isTrusted := g.find(ctx, s, c, a.address)
	if !isTrusted || what.err != nil {
		return outcome{asks: true}
	}
	out := decide(f, s.limiter, what, need, a, at)
	if out.counted != "" {
		g.usage.count(out.counted, dayOf(at.now), 1)
	}
	return out
}

// discouraging adds what a caller is told that sent its key in the URL, where it is taken.
func discouraging(s style, headers map[string]string) map[string]string {
	told := map[string]string{"cache-control": "no-store, private", "referrer-policy": "no-referrer"}
	for _, t := range s.Transports {
		if t.In == "header" {
			told["warning"] = `299 - "Send the API key in the ` + t.Name + ` header: a URL ends up in logs"`
			break
		}
	}
	for name, value := range headers {
		told[name] = value
	}
	return told
}

// credentialHeaders are those in which a style looks for credentials.
func credentialHeaders(s style) string {
	names := []string{"authorization"}
	for _, t := range s.Transports {
		if t.In == "header" && t.Name != "authorization" {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}
