// Go programs of others against a running Latchkey. Reads its variables, prints one line of JSON for each client that got through,
// and ends with 1 at the first that did not.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	zitadel "github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	zitadeloidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

var (
	issuer   = os.Getenv("ISSUER")
	resource = os.Getenv("RESOURCE")
	api      = os.Getenv("API")
	id       = os.Getenv("CLIENT_ID")
	secret   = os.Getenv("CLIENT_SECRET")
)

func main() {
	ctx := context.Background()
	token := goOIDC(ctx)
	mcp(ctx)
	zitadelClient(ctx)
	zitadelAssertion(ctx, token)
}

// goOIDC finds the endpoints, gets a token and verifies it by what discovery says of keys and algorithms.
func goOIDC(ctx context.Context) string {
	provider, err := oidc.NewProvider(ctx, issuer)
	must("go-oidc discovery", err)
	config := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: provider.Endpoint().TokenURL}
	token, err := config.Token(ctx)
	must("x/oauth2 token", err)
	var claims struct {
		ClientID string `json:"client_id"`
		Scope    string `json:"scope"`
	}
	verified, err := provider.Verifier(&oidc.Config{ClientID: resource}).Verify(ctx, token.AccessToken)
	must("go-oidc verification", err)
	must("go-oidc claims", verified.Claims(&claims))
	if claims.ClientID != id {
		fail("go-oidc claims", fmt.Errorf("client_id is %q", claims.ClientID))
	}
	passes("go-oidc", "", config.Client(ctx))
	return token.AccessToken
}

// mcp goes the way of an MCP client: from the refusal over both documents to a token.
func mcp(ctx context.Context) {
	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{
			ClientID: id, Issuer: issuer, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: secret},
		},
	})
	must("MCP go-sdk", err)
	refused, err := http.Get(api)
	must("MCP go-sdk", err)
	must("MCP go-sdk", handler.Authorize(ctx, refused.Request, refused))
	source, err := handler.TokenSource(ctx)
	must("MCP go-sdk", err)
	passes("MCP go-sdk", "", oauth2.NewClient(ctx, source))
}

// zitadelClient gets a token with a secret, as a relying party that was found by discovery.
func zitadelClient(ctx context.Context) {
	party, err := rp.NewRelyingPartyOIDC(ctx, issuer, id, secret, "", []string{})
	must("zitadel/oidc discovery", err)
	token, err := rp.ClientCredentials(ctx, party, nil)
	must("zitadel/oidc token", err)
	passes("zitadel/oidc", "", oauth2.NewClient(ctx, oauth2.StaticTokenSource(token)))
}

// zitadelAssertion introspects as a resource server that signs for an hour, and for a list of audiences.
func zitadelAssertion(ctx context.Context, token string) {
	key, err := os.ReadFile(os.Getenv("KEY_FILE"))
	must("zitadel/oidc key", err)
	server, err := rs.NewResourceServerJWTProfile(ctx, issuer, os.Getenv("KEYED_CLIENT_ID"), os.Getenv("KEY_ID"), key)
	must("zitadel/oidc resource server", err)
	answer, err := rs.Introspect[*zitadeloidc.IntrospectionResponse](ctx, server, token)
	must("zitadel/oidc introspection", err)
	if !answer.Active {
		fail("zitadel/oidc introspection", fmt.Errorf("the token is not active"))
	}
	_, err = zitadel.Discover(ctx, issuer, http.DefaultClient)
	must("zitadel/oidc discovery", err)
	tell("zitadel/oidc private_key_jwt", "assertionProfile: rfc7523")
}

func passes(name, settings string, client *http.Client) {
	answer, err := client.Get(api)
	must(name, err)
	if answer.StatusCode != http.StatusOK {
		fail(name, fmt.Errorf("the API answered %s", answer.Status))
	}
	tell(name, settings)
}

func tell(name, settings string) {
	line, _ := json.Marshal(map[string]string{"client": name, "settings": settings})
	fmt.Println(string(line))
}

func must(name string, err error) {
	if err != nil {
		fail(name, err)
	}
}

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(1)
}
