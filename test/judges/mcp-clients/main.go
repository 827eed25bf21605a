// The Go SDK: it does all of it by itself. The steps are those of steps.ts.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"
)

var (
	server, redirect, document = os.Getenv("MCP_URL"), os.Getenv("REDIRECT_URI"), os.Getenv("METADATA_URL")
	// The client of the last authorization: the SDK registers one for each.
	config *oauth2.Config
	source oauth2.TokenSource
)

func askPerson(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	answer, err := http.Post(os.Getenv("PERSON"), "text/plain", strings.NewReader(args.URL))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(string(text))
	}
	back, err := url.Parse(string(text))
	if err != nil {
		return nil, err
	}
	query := back.Query()
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
}

// The token of a tokenSource is refreshed when its field says that it has expired.
type tokenSource struct {
	ctx   context.Context
	inner oauth2.TokenSource
}

func (s *tokenSource) Token() (*oauth2.Token, error) { return s.inner.Token() }

func (s *tokenSource) expire() {
	token := must(s.inner.Token())
	expired := *token
	expired.Expiry = time.Now().Add(-time.Minute)
	s.inner = config.TokenSource(s.ctx, &expired)
}

func newHandler() *auth.AuthorizationCodeHandler {
	options := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL:              redirect,
		AuthorizationCodeFetcher: askPerson,
		RequestRefreshToken:      true,
		NewTokenSource: func(ctx context.Context, c *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
			config, source = c, &tokenSource{ctx, c.TokenSource(ctx, token)}
			return source, nil
		},
	}
	if document != "" {
		options.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: document}
	} else {
		options.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName:              "Notes on the Desk",
				RedirectURIs:            []string{redirect},
				GrantTypes:              []string{"authorization_code", "refresh_token"},
				ResponseTypes:           []string{"code"},
				TokenEndpointAuthMethod: "none",
			},
		}
	}
	return must(auth.NewAuthorizationCodeHandler(options))
}

func call(handler auth.OAuthHandler, tool string) string {
	ctx := context.Background()
	client := mcp.NewClient(&mcp.Implementation{Name: "desk", Version: "1.0.0"}, nil)
	session := must(client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: server, OAuthHandler: handler}, nil))
	defer session.Close()
	result := must(session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}}))
	return result.Content[0].(*mcp.TextContent).Text
}

func main() {
	handler := newHandler()
	tell(map[string]any{"step": "read", "text": call(handler, "list_notes")})
	before := must(source.Token())
	source.(*tokenSource).expire()
	text := call(handler, "list_notes")
	after := must(source.Token())
	isNew := after.AccessToken != before.AccessToken && after.RefreshToken != before.RefreshToken
	tell(map[string]any{"step": "refresh", "isNew": isNew})
	tell(map[string]any{"step": "read", "text": text})
	tell(map[string]any{"step": "write", "text": call(handler, "add_note")})
	token := must(source.Token())
	tell(map[string]any{
		"step": "tokens", "access": token.AccessToken, "refresh": token.RefreshToken, "clientId": config.ClientID,
	})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		tell(map[string]any{"step": "read", "text": call(handler, "list_notes")})
	}
}

func tell(step map[string]any) {
	if err := json.NewEncoder(os.Stdout).Encode(step); err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
