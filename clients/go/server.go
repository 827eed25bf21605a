package latchkey

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Bytes that are read of an answer at most; the one that opens a session has all templates.
const largestAnswer = 4 << 20

// A server sends requests to Latchkey. Its errors name the request and the failure, never what was sent.
type server struct {
	base, clientID, clientSecret string
	// polls have connections of their own: look-ups under load must not keep a poll waiting.
	polls, calls *http.Client
}

// A statusError is an answer that is not the expected one.
type statusError struct {
	request string
	status  int
	// code of Latchkey; empty: the answer had none.
	code string
}

func (e *statusError) Error() string {
	code := ""
	if e.code != "" {
		code = " " + e.code
	}
	return fmt.Sprintf("latchkey: %s was answered with status %d%s", e.request, e.status, code)
}

// hasStatus says whether an error is an answer with one of the statuses.
func hasStatus(err error, statuses ...int) bool {
	var answered *statusError
	if !errors.As(err, &answered) {
		return false
	}
	for _, status := range statuses {
		if answered.status == status {
			return true
		}
	}
	return false
}

func newServer(o Options) (*server, error) {
	base, err := readBase(o.Server, o.AllowPlainHTTP)
	if err != nil {
		return nil, err
	}
	// By its cookies a balancer knows the server that has the session.
	cookies, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &server{
		base: base, clientID: o.ClientID, clientSecret: o.ClientSecret,
		polls: newClient(o.TLS, cookies, 2), calls: newClient(o.TLS, cookies, 64),
	}, nil
}

// readBase checks the address of the server. Its text is in no error, since it may hold a password.
func readBase(text string, plain bool) (string, error) {
	read, err := url.Parse(text)
	switch {
	case err != nil || read.Host == "" || (read.Scheme != "https" && read.Scheme != "http"):
		return "", errors.New("latchkey: Options.Server is not the URL of a server: write https://auth.example.com")
	case read.User != nil || read.RawQuery != "" || read.Fragment != "":
		return "", errors.New("latchkey: Options.Server has a user, a query or a fragment: use ClientID and ClientSecret")
	case strings.Trim(read.Path, "/") != "":
		return "", errors.New("latchkey: Options.Server has a path, and Latchkey has none: write its origin, such as " +
			"https://auth.example.com")
	case read.Scheme == "http" && !plain && !isLoopback(read.Hostname()):
		return "", errors.New("latchkey: Options.Server is not https, and credentials are sent there: use https, or set " +
			"AllowPlainHTTP where the network is your own")
	}
	return read.Scheme + "://" + read.Host, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// newClient follows no redirect, since credentials would follow it.
func newClient(config *tls.Config, cookies http.CookieJar, connections int) *http.Client {
	return &http.Client{
		Jar: cookies,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:       config,
			TLSHandshakeTimeout:   5 * time.Second,
			ForceAttemptHTTP2:     true,
			MaxConnsPerHost:       connections,
			MaxIdleConnsPerHost:   connections,
			IdleConnTimeout:       30 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

const sessions = "/api/v1/guard/sessions"

// An ask is one request: its name for people, its path, its body and the status of a good answer.
type ask struct {
	name, method, path string
	body               any
	status             int
	repeats            repetition
	// header gets that of an answer; nil: it is not needed.
	header *http.Header
}

// A repetition says whether net/http may send a request again, when its connection was kept from an earlier one and
// was closed before an answer began.
type repetition int

const (
	never repetition = iota
	// always: sent twice, it does what it does once.
	always
	// once: the server counts it. It is sent again with an Idempotency-Key only, which it has where its connection was
	// idle; the server may have closed that.
	once
)

// idleAfter is the time after which a connection was idle. An Idempotency-Key costs the server two writes.
const idleAfter = time.Second

const idempotencyKey = "Idempotency-Key"

// repeating makes net/http send a request again where it may. A request with the header counts as idempotent there; an
// empty one is not sent.
func repeating(request *http.Request, repeats repetition) *http.Request {
	switch repeats {
	case always:
		request.Header[idempotencyKey] = []string{}
	case once:
		header := request.Header
		return request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) {
				if info.WasIdle && info.IdleTime >= idleAfter && header.Get(idempotencyKey) == "" {
					header.Set(idempotencyKey, newKey())
				}
			},
		}))
	}
	return request
}

func newKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:])
	return hex.EncodeToString(key[:])
}

// do sends a request and reads its answer into out; nil: it has none. The timeout bounds all of it.
func (s *server) do(ctx context.Context, client *http.Client, a ask, timeout time.Duration, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var body io.Reader
	if a.body != nil {
		sent, err := json.Marshal(a.body)
		if err != nil {
			return fmt.Errorf("latchkey: %s cannot be written as JSON", a.name)
		}
		body = bytes.NewReader(sent)
	}
	request, err := http.NewRequestWithContext(ctx, a.method, s.base+a.path, body)
	if err != nil {
		return fmt.Errorf("latchkey: %s cannot be sent to this address", a.name)
	}
	request.SetBasicAuth(s.clientID, s.clientSecret)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(repeating(request, a.repeats))
	if err != nil {
		return fmt.Errorf("latchkey: %s was not answered: %w", a.name, causeOf(err))
	}
	defer response.Body.Close()
	if a.header != nil {
		*a.header = response.Header
	}
	// One byte more than allowed tells that it is too large.
	text, err := io.ReadAll(io.LimitReader(response.Body, largestAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("latchkey: the answer to %s broke off: %w", a.name, causeOf(err))
	case response.StatusCode != a.status:
		return &statusError{a.name, response.StatusCode, codeIn(text)}
	case len(text) > largestAnswer:
		return fmt.Errorf("latchkey: the answer to %s is larger than %d bytes", a.name, largestAnswer)
	case out == nil:
		return nil
	}
	if json.Unmarshal(text, out) != nil {
		return fmt.Errorf("latchkey: the answer to %s is not the JSON that it should be", a.name)
	}
	return nil
}

// causeOf is an error without the URL, and without the text of an answer that was no HTTP.
func causeOf(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var network net.Error
	var operation *net.OpError
	var lookup *net.DNSError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	// Their texts have the port of this end, and would be others each time.
	case errors.As(err, &lookup):
		return fmt.Errorf("the name %s cannot be resolved", lookup.Name)
	case errors.As(err, &operation) && operation.Op != "dial":
		return fmt.Errorf("%s: %w", operation.Op, operation.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed")
	case errors.As(err, &network):
		return err
	}
	return errors.New("the answer was not HTTP, or its connection failed")
}

// codeIn is the code of an error of Latchkey; empty: there is none, or it is none.
func codeIn(text []byte) string {
	var read struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(text, &read) != nil || len(read.Code) > 64 {
		return ""
	}
	for _, r := range read.Code {
		if (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' {
			return ""
		}
	}
	return read.Code
}
