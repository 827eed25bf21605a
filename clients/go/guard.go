// Package latchkey guards the routes of an HTTP API with API keys and access tokens of a Latchkey server.
//
// A Guard answers from its own memory and hears of every change before that change is acknowledged: what was revoked is
// refused on the next request. Without contact to the server it asks about each request, and when nothing answers, it
// refuses with status 503.
//
//	guard, err := latchkey.New(latchkey.Options{
//		Server: "https://auth.example.com", Resource: "https://api.example.com",
//		ClientID: os.Getenv("LATCHKEY_CLIENT_ID"), ClientSecret: os.Getenv("LATCHKEY_CLIENT_SECRET"),
//	})
//	…
//	mux.Handle("GET /invoices", guard.Require(latchkey.Needs{Scopes: []string{"invoices:read"}}, listInvoices))
package latchkey

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// agent is the name of this guard for people who look at its sessions.
const agent = "latchkey-go"

// Options are the settings of a guard. Server, Resource, ClientID and ClientSecret are needed.
type Options struct {
	// Server is the origin of Latchkey: https, or http on the loopback interface.
	Server string
	// Resource is the identifier or the id of the API that is guarded.
	Resource string
	// ClientID and ClientSecret are of a client that may introspect the resource.
	ClientID, ClientSecret string
	// Environment is the one that is served, "live" or "test". Empty: both.
	Environment string
	// TrustedProxies are addresses and CIDR ranges of the proxies in front of the API. Only what they send as
	// X-Forwarded-For and X-Forwarded-Proto counts. Empty: none.
	TrustedProxies []string
	// MaxEntries bounds the memory; the default is 50,000 credentials.
	MaxEntries int
	// Timeout of each request to the server; the default is 5 seconds. A poll has the lease besides.
	Timeout time.Duration
	// TLS is for servers whose certificate is of a private authority; nil: the authorities of the system.
	TLS *tls.Config
	// AllowPlainHTTP allows a Server without TLS on another machine. Credentials cross the network in clear then.
	AllowPlainHTTP bool
	// PathValue reads a parameter of a route's path. The default is that of net/http's patterns.
	PathValue func(r *http.Request, name string) string
	// Logger gets refusals with their precise reason, and what goes wrong. It gets no credential. The default is
	// slog.Default().
	Logger *slog.Logger
}

// A Guard decides about the requests to one API. It is safe for concurrent use.
type Guard struct {
	options Options
	trusted []netip.Prefix
	server  *server
	clock   clock
	usage   *usage
	session atomic.Pointer[session]
	// face is that of the last session, also when it has ended.
	face atomic.Pointer[face]

	// tried is closed when the first session was opened or could not be.
	tried     chan struct{}
	triedOnce sync.Once
	mu        sync.Mutex
	// lastError of opening a session; nil: one is open.
	lastError error
	// ready is closed when there is trust for the first time.
	ready     chan struct{}
	readyOnce sync.Once

	contact  contact
	lastLog  atomic.Int64
	requests atomic.Uint64

	stop     context.CancelFunc
	stopped  context.Context
	running  sync.WaitGroup
	stopOnce sync.Once
}

// New starts a guard. It returns at once, and an error only for settings that cannot be right; see Ready. Close ends
// it.
func New(options Options) (*Guard, error) { return newGuard(options, systemClock) }

func newGuard(o Options, clock clock) (*Guard, error) {
	trusted, err := checkOptions(&o)
	if err != nil {
		return nil, err
	}
	server, err := newServer(o)
	if err != nil {
		return nil, err
	}
	stopped, stop := context.WithCancel(context.Background())
	g := &Guard{
		options: o, trusted: trusted, server: server, clock: clock, usage: newUsage(),
		contact: contact{logger: o.Logger},
		tried:   make(chan struct{}), ready: make(chan struct{}), stop: stop, stopped: stopped,
	}
	g.running.Add(2)
	go g.followSessions()
	go g.reportUsage()
	return g, nil
}

func checkOptions(o *Options) ([]netip.Prefix, error) {
	switch {
	case o.Resource == "":
		return nil, errors.New("latchkey: Options.Resource is missing: the identifier of the API that is guarded")
	case o.ClientID == "" || o.ClientSecret == "":
		return nil, errors.New("latchkey: Options.ClientID or ClientSecret is missing: of a client that may introspect " +
			"the resource; latchkey client create … --introspect RESOURCE")
	case o.Environment != "" && o.Environment != "live" && o.Environment != "test":
		return nil, errors.New(`latchkey: Options.Environment is "live" or "test", or empty for both`)
	case o.MaxEntries < 0 || o.Timeout < 0:
		return nil, errors.New("latchkey: Options.MaxEntries and Timeout cannot be negative; 0 is the default")
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = 50_000
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.PathValue == nil {
		o.PathValue = (*http.Request).PathValue
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	trusted := make([]netip.Prefix, len(o.TrustedProxies))
	for i, text := range o.TrustedProxies {
		read, ok := readRange(text)
		if !ok {
			return nil, fmt.Errorf("latchkey: Options.TrustedProxies: %q is neither an address nor a CIDR range", text)
		}
		trusted[i] = read
	}
	return trusted, nil
}

// Ready waits until the guard may answer from memory. Its error says why it may not when ctx ends.
func (g *Guard) Ready(ctx context.Context) error {
	select {
	case <-g.ready:
		return nil
	case <-g.stopped.Done():
		return errClosed
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		return errors.Join(ctx.Err(), g.lastError)
	}
}

var errClosed = errors.New("latchkey: the guard is closed")

// Trusted says whether the guard may answer from memory at this moment. Without, each request costs one to the server.
func (g *Guard) Trusted() bool {
	s := g.session.Load()
	if s == nil {
		return false
	}
	_, isTrusted := s.recall(memoryKey{}, g.clock())
	return isTrusted
}

// Close ends the guard: it stops to answer from memory, reports the calls that were not yet reported, and ends its
// session, all within ctx. Requests after it are answered with status 503.
func (g *Guard) Close(ctx context.Context) error {
	g.stopOnce.Do(g.stop)
	s := g.session.Load()
	if s != nil {
		s.end()
	}
	done := make(chan struct{})
	go func() { g.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	// The one that was opened last: it may have been opened while the guard was being closed.
	if s = g.session.Swap(nil); s != nil {
		s.end()
		g.report(ctx, s)
		g.leave(ctx, s)
	}
	g.server.polls.CloseIdleConnections()
	g.server.calls.CloseIdleConnections()
	return ctx.Err()
}
