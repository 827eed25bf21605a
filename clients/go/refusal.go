package latchkey

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An answer is what a caller gets that does not pass. The names of its headers are in lower case.
type answer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// isComplete says whether an answer can be sent: one that refuses.
func (a answer) isComplete() bool { return a.Status >= 400 && a.Status <= 599 }

// A face is how a resource reads credentials and how it refuses, as the answer that opens a session says.
type face struct {
	Resource    faceResource                 `json:"resource"`
	Refusals    map[string]map[string]answer `json:"refusals"`
	Unavailable answer                       `json:"unavailable"`
	// vary are the headers in which credentials are looked for.
	vary string
}

type faceResource struct {
	ID         string `json:"id"`
	Identifier string `json:"identifier"`
	// Organization that it belongs to; nil: the deployment.
	Organization *string `json:"organization"`
	Style        style   `json:"style"`
	// TokenScopes are those that a token may have, InitialScopes those that a client of an MCP server asks for at first.
	TokenScopes   []string `json:"tokenScopes"`
	InitialScopes []string `json:"initialScopes"`
}

// challenged are the scopes that the challenge of a route names: none where no token passes, whatever its scopes.
func (r faceResource) challenged(need required) []string {
	if need.apiKeyOnly {
		return nil
	}
	if len(need.scopes) == 0 {
		return r.InitialScopes
	}
	for _, scope := range need.scopes {
		if !slices.Contains(r.TokenScopes, scope) {
			return nil
		}
	}
	return need.scopes
}

// An occasion is the request that is answered.
type occasion struct {
	target, requestID string
	now               time.Time
}

// lastResort is the answer of a guard that was never told how its resource refuses.
var lastResort = answer{
	Status: http.StatusServiceUnavailable,
	Headers: map[string]string{
		"content-type": "application/json; charset=utf-8", "cache-control": "no-store", "retry-after": "1",
	},
	Body: `{"error":"This API cannot reach its authorization server; retry shortly.","code":"AUTHORIZATION_UNAVAILABLE"}`,
}

// refuse is the answer to a refusal, with the state of the limits that were looked at.
func (f *face) refuse(why refusal, need required, limits []limitState, at occasion) answer {
	presented := why.presented
	if presented == "" {
		presented = "none"
	}
	template := f.Refusals[why.reason][presented]
	// A reason that is newer than these templates.
	if !template.isComplete() {
		template = f.Refusals["unknown"][presented]
	}
	if !template.isComplete() {
		return f.unavailable(at)
	}
	filled := fill(template, need.scopes, f.Resource.challenged(need), at)
	if why.reason == "rate_limited" && len(limits) > 0 {
		filled.Headers["retry-after"] = strconv.FormatInt(limits[len(limits)-1].resetSeconds, 10)
		addRateLimits(filled.Headers, limits)
	}
	return filled
}

// unavailable is the answer to a request that cannot be judged.
func (f *face) unavailable(at occasion) answer {
	if f == nil || !f.Unavailable.isComplete() {
		return lastResort
	}
	return fill(f.Unavailable, nil, nil, at)
}

// fill replaces the marks of a template in one pass: what is filled in is not looked at again.
func fill(template answer, scopes, challenged []string, at occasion) answer {
	body := strings.NewReplacer(
		`["{scope}"]`, jsonList(scopes),
		"{scope}", jsonText(strings.Join(scopes, " ")),
		"{path}", jsonText(pathOf(at.target)),
		"{timestamp}", at.now.UTC().Format("2006-01-02T15:04:05.000Z"),
		"{requestId}", jsonText(at.requestID),
	).Replace(template.Body)
	headers := make(map[string]string, len(template.Headers)+3)
	for name, value := range template.Headers {
		headers[name] = challenge(value, challenged)
	}
	return answer{template.Status, headers, body}
}

// challenge fills the scopes into a header. A list of scopes has one at least (RFC 6749 §3.3): without any, the
// parameter is left out.
func challenge(header string, scopes []string) string {
	if len(scopes) > 0 {
		return strings.ReplaceAll(header, "{scope}", strings.Join(scopes, " "))
	}
	return strings.NewReplacer(`, scope="{scope}"`, "", ` scope="{scope}"`, "").Replace(header)
}

func jsonList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = `"` + jsonText(text) + `"`
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// jsonText is a text between the quotes of JSON, with no more escapes than JSON needs: encoding/json has others.
func jsonText(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

var absoluteForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*`)

// pathOf is the path of a request's target, without query and without what looks like a secret of Latchkey.
func pathOf(target string) string {
	if !strings.HasPrefix(target, "/") {
		target = absoluteForm.ReplaceAllString(target, "")
	}
	path, _, _ := strings.Cut(target, "?")
	if !utf8.ValidString(path) {
		path = fromLatin1(path)
	}
	return withoutSecrets(withoutWebhookToken(path))
}

var (
	keyMiddle = regexp.MustCompile(`_(?:live|test)_[0-9A-Za-z]+`)
	keyStart  = regexp.MustCompile(`[a-z][a-z0-9]{0,15}$`)
	labelled  = regexp.MustCompile(`(lk[a-z]{3}_|whk_)[\w-]{8,}`)
	jwtLike   = regexp.MustCompile(`eyJ[\w-]+\.[\w.-]+`)
)

// withoutSecrets truncates everything that looks like a secret of Latchkey; the rest of each shows its kind.
func withoutSecrets(text string) string {
	var b strings.Builder
	for from := 0; ; {
		found := keyMiddle.FindStringIndex(text[from:])
		if found == nil {
			b.WriteString(text[from:])
			break
		}
		start, end := from+found[0], from+found[1]
		if keyStart.MatchString(text[max(0, start-16):start]) {
			b.WriteString(text[from:start] + text[start:start+len("_live_")] + "…")
			from = end
		} else {
			b.WriteString(text[from : start+1])
			from = start + 1
		}
	}
	return jwtLike.ReplaceAllString(labelled.ReplaceAllString(b.String(), "${1}…"), "eyJ…")
}

// withoutWebhookToken removes the segments of a path that look like a webhook's secret, in any encoding.
func withoutWebhookToken(path string) string {
	if !hasWebhookToken(path) {
		return path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if hasWebhookToken(segment) {
			segments[i] = "whk_…"
		}
	}
	return strings.Join(segments, "/")
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func hasWebhookToken(text string) bool {
	decoded := escape.ReplaceAllStringFunc(text, func(escape string) string {
		code, _ := strconv.ParseUint(escape[1:], 16, 8)
		return string(rune(code))
	})
	return strings.Contains(strings.ToLower(decoded), "whk_")
}
