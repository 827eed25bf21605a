package latchkey

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A transport is a way in which keys travel to the resource.
type transport struct {
	In   string `json:"in"`
	Name string `json:"name"`
}

// A style is how credentials travel to a resource. How refusals look stands in its templates.
type style struct {
	Transports []transport `json:"transports"`
	RequireTLS bool        `json:"requireTls"`
}

// takesKeysAsBearer says whether keys travel as Authorization: Bearer.
func (s style) takesKeysAsBearer() bool {
	for _, t := range s.Transports {
		if t.In == "bearer" {
			return true
		}
	}
	return false
}

func (s style) takesKeysInQuery(name string) bool {
	for _, t := range s.Transports {
		if t.In == "query" && t.Name == name {
			return true
		}
	}
	return false
}

// A credential is the text that a request presents, and how.
type credential struct {
	kind, text string
	inQuery    bool
}

// longestCredential is what a look-up accepts, in bytes. No credential of Latchkey is as long.
const longestCredential = 16_384

// places collects the credentials of a request: one, and where it was found.
type places struct {
	place, text string
	several     bool
}

func (p *places) add(place string, texts []string) {
	switch {
	case len(texts) == 0:
	case len(texts) > 1 || p.place != "":
		p.several = true
	default:
		p.place, p.text = place, texts[0]
	}
}

// present reads the one credential of a request as the style says. More than one, in whatever places, is refused, even
// if one of them is good (RFC 6750 §2).
func present(s style, header http.Header, query string) (credential, *refusal) {
	found := findOnly(s, header, query)
	switch {
	case found.several:
		return credential{}, &refusal{"several_credentials", ""}
	case found.place == "":
		return credential{}, &refusal{"no_credential", ""}
	case found.place == "access_token":
		return credential{}, &refusal{"credential_in_query", accessToken}
	case found.place == "misplaced":
		return credential{}, &refusal{"credential_in_query", apiKey}
	}
	presented := credential{kind: apiKey, text: found.text, inQuery: found.place == "query"}
	if found.place == "authorization" {
		var against *refusal
		if presented, against = readAuthorization(s, found.text); against != nil {
			return credential{}, against
		}
	}
	if presented.text == "" || len(presented.text) > longestCredential {
		return credential{}, &refusal{"malformed", presented.kind}
	}
	return presented, nil
}

func findOnly(s style, header http.Header, query string) places {
	var found places
	// Another scheme than Bearer is no credential here: a proxy in front of a staging system has its own.
	if lines := headerNamed(header, "authorization"); len(lines) > 1 || len(lines) == 1 && isBearer(lines[0]) {
		found.add("authorization", lines)
	}
	for _, t := range s.Transports {
		switch t.In {
		case "header":
			found.add("header", headerNamed(header, t.Name))
			// By the name of the header it is a key, sent in the query: its sender learns that it is in logs now.
			if !s.takesKeysInQuery(t.Name) {
				found.add("misplaced", queryNamed(query, t.Name))
			}
		case "query":
			found.add("query", queryNamed(query, t.Name))
		}
	}
	found.add("access_token", queryNamed(query, "access_token"))
	return found
}

var bearerScheme = regexp.MustCompile(`^(?i:bearer)(\s|$)`)

func isBearer(value string) bool {
	return strings.HasPrefix(value, "Bearer ") || bearerScheme.MatchString(value)
}

// RFC 6750 §2.1: "Bearer" 1*SP b64token; the scheme in any case (RFC 9110 §11.1).
var bearerToken = regexp.MustCompile(`^(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)$`)

var apiKeyLike = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}_(live|test)_`)

func readAuthorization(s style, value string) (credential, *refusal) {
	keysToo := s.takesKeysAsBearer()
	if token, ok := strings.CutPrefix(value, "Bearer "); ok && !keysToo && strings.HasPrefix(token, "eyJ") {
		return credential{kind: accessToken, text: token}, nil
	}
	match := bearerToken.FindStringSubmatch(value)
	switch {
	case match == nil && keysToo:
		return credential{}, &refusal{"malformed", apiKey}
	case match == nil:
		return credential{}, &refusal{"malformed", accessToken}
	case keysToo && !isJWTByForm(match[1]):
		return credential{kind: apiKey, text: match[1]}, nil
	case !keysToo && apiKeyLike.MatchString(match[1]):
		return credential{}, &refusal{"key_as_bearer", apiKey}
	}
	return credential{kind: accessToken, text: match[1]}, nil
}

var jwt = regexp.MustCompile(`^([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$`)

// isJWTByForm says whether a text has the form of a JWT: three parts of base64url, the first a JSON object that names
// an algorithm (RFC 7519 §7.2). It says nothing of the signature.
func isJWTByForm(text string) bool {
	match := jwt.FindStringSubmatch(text)
	// From the shortest header that names an algorithm up to a bound on the work for an unknown caller.
	if match == nil || len(match[1]) < 14 || len(match[1]) > 2048 {
		return false
	}
	// Without the last character where it cannot be part of a byte, as readers of base64 that take no padding do.
	text = match[1]
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	header, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	var read map[string]json.RawMessage
	var algorithm *string
	return json.Unmarshal(header, &read) == nil && json.Unmarshal(read["alg"], &algorithm) == nil && algorithm != nil
}

// headerNamed returns each line of a header. Bytes of a header are characters of Latin-1, as other guards read them.
func headerNamed(header http.Header, name string) []string {
	lines := header[textproto.CanonicalMIMEHeaderKey(name)]
	for i, line := range lines {
		if text := fromLatin1(line); text != line {
			lines = slices.Clone(lines)
			lines[i] = text
		}
	}
	return lines
}

func fromLatin1(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			runes := make([]rune, len(text))
			for i := range runes {
				runes[i] = rune(text[i])
			}
			return string(runes)
		}
	}
	return text
}

// queryNamed returns each value of a name in a query. Nothing in it is an error: what cannot be decoded stays as it is.
func queryNamed(query, name string) []string {
	var values []string
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		if pair != "" && unescaped(key) == name {
			values = append(values, unescaped(value))
		}
	}
	return values
}

func unescaped(text string) string {
	read, err := url.QueryUnescape(text)
	if err != nil || !utf8.ValidString(read) {
		return strings.ReplaceAll(text, "+", " ")
	}
	return read
}
