// An API with one guarded route, on a port of the loopback interface that it prints.
//
//	LATCHKEY_URL=… LATCHKEY_RESOURCE=… LATCHKEY_CLIENT_ID=… LATCHKEY_CLIENT_SECRET=… go run ./examples/api
//	curl -H 'x-api-key: …' http://127.0.0.1:PORT/invoices
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	latchkey "github.com/latchkey/latchkey/clients/go"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	guard, err := latchkey.New(latchkey.Options{
		Server: os.Getenv("LATCHKEY_URL"), Resource: os.Getenv("LATCHKEY_RESOURCE"),
		ClientID: os.Getenv("LATCHKEY_CLIENT_ID"), ClientSecret: os.Getenv("LATCHKEY_CLIENT_SECRET"),
	})
	if err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(stopped, 10*time.Second)
	defer cancel()
	if err := guard.Ready(ready); err != nil {
		return err
	}

	routes := http.NewServeMux()
	routes.Handle("GET /invoices", guard.RequireFunc(latchkey.Needs{Scopes: []string{"invoices:read"}}, invoices))
	server := &http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)

	go func() {
		<-stopped.Done()
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(within)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return guard.Close(within)
}

func invoices(w http.ResponseWriter, r *http.Request) {
	principal, _ := latchkey.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"invoices": []string{}, "caller": principal.ID})
}
