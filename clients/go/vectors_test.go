package latchkey

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"testing"
	"time"
)

// A vector is a request and what every guard answers to it, in whatever language.
type vector struct {
	Name, Resource string
	Entry          *wireEntry
	Refusal        *struct {
		Reason    string
		Presented *string
	}
	Request struct {
		Method, Target string
		Headers        [][2]string
		Address        *string
		TLS            bool
		RequestID      string
	}
	Needs struct {
		Scopes       []string
		APIKeyOnly   bool
		Organization *string
		Feature      *string
		Object       *struct{ Type, ID string }
		Environment  *string
		Credits      int
	}
	Now int64
	// Earlier are the moments of the same request before, which it shares its limits with.
	Earlier []int64
	Lookup  *struct{ Credential, Kind string }
	Answer  struct {
		Admitted *Principal
		Asks     bool
		Status   int
		Headers  map[string]string
		Body     string
	}
}

func readVectors(t testing.TB) (map[string]*face, []vector) {
	text, err := os.ReadFile("../../test/vectors/guard.json")
	if err != nil {
		t.Skip("this is not the repository of Latchkey: ", err)
	}
	var read struct {
		Resources map[string]json.RawMessage
		Cases     []vector
	}
	must(t, json.Unmarshal(text, &read))
	faces := map[string]*face{}
	for name, raw := range read.Resources {
		// The resource and its templates stand beside each other.
		var f face
		must(t, json.Unmarshal(raw, &f))
		must(t, json.Unmarshal(raw, &f.Resource))
		faces[name] = &f
	}
	return faces, read.Cases
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// judged is the outcome of a vector at a moment, and what was looked up.
func judged(t testing.TB, l *limiter, f *face, v vector, now int64) (outcome, *credential) {
	a := arrival{method: v.Request.Method, target: v.Request.Target, header: http.Header{}, requestID: v.Request.RequestID}
	for _, header := range v.Request.Headers {
		a.header.Add(header[0], header[1])
	}
	if v.Request.Address != nil {
		a.address = readAddress(*v.Request.Address)
	}
	a.tls = v.Request.TLS
	need := required{
		scopes: v.Needs.Scopes, apiKeyOnly: v.Needs.APIKeyOnly, organization: v.Needs.Organization,
		credits: v.Needs.Credits,
	}
	if v.Needs.Feature != nil {
		need.feature = *v.Needs.Feature
	}
	if v.Needs.Object != nil {
		need.object = &object{v.Needs.Object.Type, v.Needs.Object.ID}
	}
	if v.Needs.Environment != nil {
		need.environment = *v.Needs.Environment
	}
	at := occasion{target: a.target, requestID: a.requestID, now: time.UnixMilli(now)}
	c, against := form(f, need, a, at)
	if against != nil {
		return *against, nil
	}
	var what found
	switch {
	case v.Refusal != nil:
		what.refusal = &refusal{reason: v.Refusal.Reason}
		if v.Refusal.Presented != nil {
			what.refusal.presented = *v.Refusal.Presented
		}
	case v.Entry != nil:
		e, err := readEntry(v.Entry)
		must(t, err)
		what.entry = e
	default:
		return outcome{refused: ptr(f.unavailable(at))}, &c
	}
	out := decide(f, l, what, need, a, at)
	if out.principal != nil && c.inQuery {
		out.headers = discouraging(f.Resource.Style, out.headers)
	}
	return out, &c
}

func TestEveryVectorIsAnsweredAsTheServersOwnJudgeAnswers(t *testing.T) {
	faces, vectors := readVectors(t)
	if len(vectors) < 300 {
		t.Fatalf("%d vectors: there should be more", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Resource+"/"+v.Name, func(t *testing.T) {
			l := newLimiter()
			for _, earlier := range v.Earlier {
				judged(t, l, faces[v.Resource], v, earlier)
			}
			out, looked := judged(t, l, faces[v.Resource], v, v.Now)
			switch {
			case v.Lookup == nil && looked != nil:
				t.Errorf("%s was looked up, and nothing should be", looked.kind)
			case v.Lookup != nil && (looked == nil || looked.kind != v.Lookup.Kind || looked.text != v.Lookup.Credential):
				t.Errorf("looked up: %v, should be: %v", looked, v.Lookup)
			}
			if out.asks != v.Answer.Asks {
				t.Fatalf("asks %v, should be %v", out.asks, v.Answer.Asks)
			}
			if v.Answer.Status != 0 {
				equal(t, out.refused, &answer{v.Answer.Status, v.Answer.Headers, v.Answer.Body})
				return
			}
			equal(t, out.principal, v.Answer.Admitted)
			if !v.Answer.Asks && len(out.headers)+len(v.Answer.Headers) > 0 {
				equal(t, out.headers, v.Answer.Headers)
			}
		})
	}
}

func equal(t testing.TB, found, expected any) {
	t.Helper()
	if !reflect.DeepEqual(found, expected) {
		one, _ := json.MarshalIndent(found, "", " ")
		other, _ := json.MarshalIndent(expected, "", " ")
		t.Errorf("found %s\nexpected %s", one, other)
	}
}
