package latchkey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const adminToken = "lkadm_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// A latchkeyServer is `latchkey serve` of this repository, with an empty SQLite database.
type latchkeyServer struct {
	t                      testing.TB
	url, organization      string
	clientID, clientSecret string
}

type fields = map[string]any

func startLatchkey(t testing.TB) *latchkeyServer {
	root, _ := filepath.Abs("../..")
	node := filepath.Join(root, "node_modules", ".bin", "node")
	if _, err := os.Stat(node); err != nil {
		t.Skip("this is not the repository of Latchkey, or `npm ci` was not run: ", err)
	}
	data := t.TempDir()
	port := freePort(t)
	var output bytes.Buffer
	server := exec.Command(node, filepath.Join(root, "bin", "latchkey.js"), "serve")
	server.Dir, server.Stdout, server.Stderr = data, &output, &output
	server.Env = append(os.Environ(), "LATCHKEY_DATA="+data, fmt.Sprint("PORT=", port), "LATCHKEY_LOG_LEVEL=warn",
		"LATCHKEY_ADMIN_TOKEN="+adminToken, fmt.Sprint("LATCHKEY_ISSUER=http://127.0.0.1:", port),
		// A busy machine is no reason for a guard to lose its trust.
		"LATCHKEY_REPLICA_LEASE=20000")
	must(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	s := &latchkeyServer{t: t, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	until(t, "the server answers", func() bool {
		answer, err := http.Get(s.url + "/.well-known/jwks.json")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil && answer.StatusCode == 200
	})
	s.admin("PATCH", "/resources/res_host", fields{"scopes": []fields{{"name": "read"}, {"name": "write"}}})
	s.organization = s.admin("POST", "/organizations", fields{"name": "Acme"})["id"].(string)
	client := s.admin("POST", "/clients", fields{
		"organization": s.organization, "name": "guard", "introspects": []string{s.url},
		"grants": []fields{{"resource": s.url, "scopes": []string{"read"}}},
	})
	s.clientID, s.clientSecret = client["clientId"].(string), client["clientSecret"].(string)
	return s
}

func freePort(t testing.TB) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (s *latchkeyServer) admin(method, path string, body fields) fields {
	s.t.Helper()
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body)
	}
	r, _ := http.NewRequest(method, s.url+"/api/v1"+path, bytes.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+adminToken)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	must(s.t, err)
	defer answer.Body.Close()
	answered, _ := io.ReadAll(answer.Body)
	if answer.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, answered)
	}
	var read fields
	_ = json.Unmarshal(answered, &read)
	return read
}

func (s *latchkeyServer) createKey(more fields) (id, key string) {
	s.t.Helper()
	body := fields{
		"organization": s.organization, "resource": s.url, "environment": "live", "name": "ci", "scopes": []string{"read"},
	}
	for name, value := range more {
		body[name] = value
	}
	made := s.admin("POST", "/api-keys", body)
	return made["id"].(string), made["key"].(string)
}

func (s *latchkeyServer) token() string {
	answer, err := http.PostForm(s.url+"/api/v1/auth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.clientID}, "client_secret": {s.clientSecret},
		"resource": {s.url},
	})
	must(s.t, err)
	defer answer.Body.Close()
	var read struct {
		Token string `json:"access_token"`
	}
	must(s.t, json.NewDecoder(answer.Body).Decode(&read))
	return read.Token
}

func (s *latchkeyServer) guard() *guarded {
	return guardOf(s.t, s.url, func(o *Options) {
		o.Resource, o.ClientID, o.ClientSecret, o.Timeout = s.url, s.clientID, s.clientSecret, time.Minute
	}, nil).trusted()
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func TestARealServer(t *testing.T) {
	t.Parallel()
	s := startLatchkey(t)
	g := s.guard()

	t.Run("a key and a token pass, and the handler knows them", func(t *testing.T) {
		id, key := s.createKey(nil)
		if w := g.get(key); w.Code != 200 || w.Body.String() != id {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w := g.ask(bearer(s.token())); w.Code != 200 || w.Body.String() != s.clientID {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})

	t.Run("no revoked key passes after its revocation was acknowledged, however often it is used", func(t *testing.T) {
		for i := 0; i < 30; i++ {
			id, key := s.createKey(nil)
			g.expect(key, 200)
			ended := make(chan struct{})
			var users sync.WaitGroup
			for j := 0; j < 4; j++ {
				users.Add(1)
				go func() {
					defer users.Done()
					for {
						select {
						case <-ended:
							return
						default:
							g.get(key)
						}
					}
				}()
			}
			s.admin("POST", "/api-keys/"+id+"/revoke", nil)
			for j := 0; j < 5; j++ {
				g.expect(key, 401)
			}
			close(ended)
			users.Wait()
		}
		if !g.Trusted() {
			t.Error("it was not from memory")
		}
	})

	t.Run("a revoked token, a changed client, a suspended organization", func(t *testing.T) {
		token := s.token()
		if w := g.ask(bearer(token)); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		form := url.Values{"token": {token}, "client_id": {s.clientID}, "client_secret": {s.clientSecret}}
		answer, err := http.PostForm(s.url+"/api/v1/oauth/revoke", form)
		must(t, err)
		answer.Body.Close()
		if w := g.ask(bearer(token)); answer.StatusCode != 200 || w.Code != 401 {
			t.Errorf("%d %d", answer.StatusCode, w.Code)
		}
		other := s.admin("POST", "/organizations", fields{"name": "Other"})["id"].(string)
		_, key := s.createKey(fields{"organization": other})
		g.expect(key, 200)
		s.admin("POST", "/organizations/"+other+"/suspend", nil)
		g.expect(key, 403)
	})

	t.Run("a missing scope is told in the words of the resource", func(t *testing.T) {
		_, key := s.createKey(fields{"scopes": []string{"write"}})
		w := g.get(key)
		var read struct {
			Details struct{ RequiredScopes []string }
		}
		_ = json.Unmarshal(w.Body.Bytes(), &read)
		if w.Code != 403 || len(read.Details.RequiredScopes) != 1 || read.Details.RequiredScopes[0] != "read" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); !strings.Contains(challenge, `scope="read"`) {
			t.Error(challenge)
		}
	})

	t.Run("calls are counted, and limited by the minute", func(t *testing.T) {
		id, key := s.createKey(fields{"callsPerMinute": 3})
		for i, status := range []int{200, 200, 200, 429} {
			if w := g.get(key); w.Code != status {
				t.Errorf("call %d: %d %s", i, w.Code, w.Body)
			}
		}
		until(t, "the calls are counted", func() bool {
			return s.admin("GET", "/api-keys/"+id+"/usage", nil)["callsToday"] == 3.0
		})
	})

	t.Run("two guards owe what the other one counted", func(t *testing.T) {
		id, key := s.createKey(fields{"callsPerMinute": 2})
		g.expect(key, 200)
		counted := func(calls float64) func() bool {
			return func() bool { return s.admin("GET", "/api-keys/"+id+"/usage", nil)["callsToday"] == calls }
		}
		until(t, "the call is counted", counted(1))
		other := s.guard()
		other.expect(key, 200)
		other.expect(key, 429)
		until(t, "both calls are counted", counted(2))
		until(t, "the first guard is told", func() bool {
			session := g.session.Load()
			session.mu.Lock()
			defer session.mu.Unlock()
			return session.counted > 0
		})
		g.expect(key, 429)
	})

	t.Run("a monthly quota is exact: the server is asked each time", func(t *testing.T) {
		_, key := s.createKey(fields{"callsPerMonth": 2})
		for i, status := range []int{200, 200, 429} {
			if w := g.get(key); w.Code != status {
				t.Errorf("call %d: %d %s", i, w.Code, w.Body)
			}
		}
	})

	t.Run("another session after a change of the resource", func(t *testing.T) {
		_, key := s.createKey(nil)
		g.expect(key, 200)
		before := g.session.Load()
		s.admin("PATCH", "/resources/res_host", fields{"scopes": []fields{{"name": "write"}}})
		until(t, "another session", func() bool { return g.session.Load() != before })
		g.expect(key, 403)
	})

	t.Run("a client that may not introspect any more gets no answer, and nothing passes", func(t *testing.T) {
		_, key := s.createKey(fields{"scopes": []string{"write"}})
		g.expect(key, 403)
		s.admin("PATCH", "/clients/"+s.clientID, fields{"introspects": []string{}})
		until(t, "trust has ended", func() bool { return !g.Trusted() })
		g.expect(key, 503)
	})

	t.Run("a guard that is closed lets no change wait", func(t *testing.T) {
		must(t, g.Close(context.Background()))
		_, key := s.createKey(fields{"scopes": []string{"write"}})
		g.expect(key, 503)
	})
}
