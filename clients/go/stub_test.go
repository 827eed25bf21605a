package latchkey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	secret  = "sec-ret-of-the-client"
	goodKey = "lb_live_0123456789abcdefghijklmnopq012345"
)

// A stub speaks the protocol as a test wants it: each member replaces the answer of a route.
type stub struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	counts   map[string]int
	sessions int
	position int64
	changes  []string
	news     chan struct{}

	// owner of the resource, in JSON.
	owner                                 string
	lease                                 float64
	hold                                  time.Duration
	poll, lookup, verify, report, onLeave http.HandlerFunc
}

func newStub(t testing.TB) *stub {
	s := &stub{
		t: t, counts: map[string]int{}, news: make(chan struct{}, 100), owner: "null", lease: 60_000,
		hold: 20 * time.Millisecond,
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(text))
	id, secretSent, _ := r.BasicAuth()
	if id != "cli" || secretSent != secret {
		s.t.Errorf("%s came without the client's secret", r.URL.Path)
	}
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if r.Method == http.MethodDelete {
		name = "leave"
	}
	s.mu.Lock()
	s.counts[name]++
	replaced := map[string]http.HandlerFunc{
		"poll": s.poll, "lookup": s.lookup, "verify": s.verify, "usage": s.report, "leave": s.onLeave,
	}[name]
	s.mu.Unlock()
	switch {
	case replaced != nil:
		replaced(w, r)
	case name == "sessions":
		s.open(w)
	case name == "poll":
		s.answerPoll(w, r)
	case name == "lookup":
		s.answerLookup(w, 0)
	case name == "verify":
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *stub) open(w http.ResponseWriter) {
	s.mu.Lock()
	s.sessions++
	number := s.sessions
	s.position, s.changes = 0, nil
	s.mu.Unlock()
	template := `{"status":401,"headers":{"content-type":"application/json"},"body":"{\"path\":\"{path}\"}"}`
	reasons := []string{}
	for _, reason := range []string{"no_credential", "unknown", "revoked", "insufficient_scope", "several_credentials",
		"expired", "malformed", "address_not_allowed", "rate_limited"} {
		reasons = append(reasons, fmt.Sprintf(`%q:{"none":%s,"api_key":%s,"access_token":%s}`,
			reason, template, template, template))
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"session":"gds_%d","position":0,"lease":%g,"issuer":"x","resource":{"id":"res_1",
		"identifier":"https://api","organization":%s,"style":{"transports":[{"in":"header","name":"x-api-key"}]}},"keys":[],
		"refusals":{%s},"unavailable":{"status":503,"headers":{},"body":"unavailable"}}`, number, s.lease, s.owner, strings.Join(reasons, ","))
}

// change makes the next poll name subjects.
func (s *stub) change(subjects ...string) {
	s.mu.Lock()
	s.position++
	s.changes = append(s.changes, subjects...)
	s.mu.Unlock()
	s.news <- struct{}{}
}

func (s *stub) answerPoll(w http.ResponseWriter, r *http.Request) {
	var body struct{ Applied int64 }
	_ = json.NewDecoder(r.Body).Decode(&body)
	s.mu.Lock()
	isNews := s.position > body.Applied
	s.mu.Unlock()
	if !isNews {
		select {
		case <-s.news:
		case <-time.After(s.hold):
		case <-r.Context().Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.Applied >= s.position {
		s.changes = nil
	}
	changes, _ := json.Marshal(append([]string{}, s.changes...))
	fmt.Fprintf(w, `{"position":%d,"changes":%s,"trustFor":%g}`, s.position, changes, s.lease)
}

func (s *stub) answerLookup(w http.ResponseWriter, position int64) {
	fmt.Fprintf(w, `{"position":%d,"entry":%s}`, position, entryText("key_1", ""))
}

func entryText(id, more string) string {
	return fmt.Sprintf(`{"facts":{"kind":"api_key","principal":{"kind":"api_key","id":%q,"organizationId":"org_1",
		"organizations":["org_1"],"environment":"live","scopes":["read"],"objects":{},"allowlist":[]},
		"key":{"id":%q,"organizationId":"org_1","environment":"live","chainId":%q,"expiresAt":null,"rotatedTo":null%s},
		"organization":{"id":"org_1","status":"active","features":[]},"policies":[]},
		"follows":["key:%s","organization:org_1"],"asksEachTime":false}`, id, id, id, more, id)
}

func (s *stub) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[name]
}

// set replaces a route while requests are under way.
func (s *stub) set(replace func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	replace()
}

// cut answers with half of an answer and closes the connection.
func cut(w http.ResponseWriter, _ *http.Request) {
	connection, _, _ := w.(http.Hijacker).Hijack()
	_, _ = connection.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"position\":"))
	connection.Close()
}

// garbage answers with what is no HTTP, and with the secret in it.
func garbage(w http.ResponseWriter, _ *http.Request) {
	connection, _, _ := w.(http.Hijacker).Hijack()
	_, _ = connection.Write([]byte("\x00\xff" + secret + goodKey + "\r\n\r\n"))
	connection.Close()
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// A guarded is a guard of a stub, with what it logs and a route behind it.
type guarded struct {
	*Guard
	t     testing.TB
	route http.Handler
	log   *bytes.Buffer
	logMu sync.Mutex
}

func (g *guarded) Write(p []byte) (int, error) {
	g.logMu.Lock()
	defer g.logMu.Unlock()
	return g.log.Write(p)
}

func guardOf(t testing.TB, url string, more func(*Options), clock clock) *guarded {
	made := &guarded{t: t, log: &bytes.Buffer{}}
	o := Options{
		Server: url, Resource: "https://api", ClientID: "cli", ClientSecret: secret, Timeout: 2 * time.Second,
		Logger: slog.New(slog.NewTextHandler(made, nil)),
	}
	if more != nil {
		more(&o)
	}
	if clock == nil {
		clock = systemClock
	}
	g, err := newGuard(o, clock)
	must(t, err)
	made.Guard = g
	made.route = g.RequireFunc(Needs{Scopes: []string{"read"}}, func(w http.ResponseWriter, r *http.Request) {
		p, ok := FromContext(r.Context())
		if !ok {
			t.Error("no principal in the context")
		}
		_, _ = io.WriteString(w, p.ID)
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = g.Close(ctx)
		// Whatever happened: no log holds a credential.
		made.logMu.Lock()
		defer made.logMu.Unlock()
		for _, each := range []string{secret, goodKey} {
			if strings.Contains(made.log.String(), each) {
				t.Errorf("a log has a credential: %s", made.log)
			}
		}
	})
	return made
}

// trusted waits until the guard may answer from memory.
func (g *guarded) trusted() *guarded {
	g.t.Helper()
	until(g.t, "it is trusted", g.Trusted)
	return g
}

func (g *guarded) get(key string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/things?a=b", nil)
	r.Header.Set("X-Api-Key", key)
	w := httptest.NewRecorder()
	g.route.ServeHTTP(w, r)
	return w
}

// statuses asks with a key, and compares the status.
func (g *guarded) expect(key string, status int) {
	g.t.Helper()
	if w := g.get(key); w.Code != status {
		g.t.Fatalf("status %d, should be %d: %s", w.Code, status, w.Body)
	}
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > 60*time.Second {
			t.Fatal("it did not happen: ", what)
		}
	}
}

// A testClock is moved by tests, each of its clocks by itself.
type testClock struct {
	mu  sync.Mutex
	now moment
}

func newTestClock() *testClock {
	return &testClock{now: moment{time.Hour, time.Unix(1_780_000_000, 0)}}
}

func (c *testClock) read() moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) step(mono, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = moment{c.now.mono + mono, c.now.wall.Add(wall)}
}
