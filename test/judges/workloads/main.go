// Tokens as workloads have them: those of service accounts, made by Kubernetes' own token code, and JWT-SVIDs, made and
// judged by go-spiffe. Reads what to make as a line of JSON from standard input and prints keys and tokens as JSON; the
// API server of a cluster is served for as long as standard input is open.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"k8s.io/apimachinery/pkg/types"
	core "k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

type serviceAccount struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	UID       string   `json:"uid"`
	Audience  []string `json:"audience"`
	Seconds   int64    `json:"seconds"`
	// The pod that the token is bound to.
	Pod string `json:"pod"`
}

type cluster struct {
	Issuer    string           `json:"issuer"`
	JwksURI   string           `json:"jwksUri"`
	Algorithm string           `json:"algorithm"`
	Tokens    []serviceAccount `json:"tokens"`
	// Absent: there is none.
	APIServer *apiServer `json:"apiServer"`
}

type identity struct {
	ID       string   `json:"id"`
	Audience []string `json:"audience"`
	Seconds  int64    `json:"seconds"`
}

type trustDomain struct {
	Name   string     `json:"name"`
	Tokens []identity `json:"tokens"`
}

type order struct {
	Cluster     *cluster     `json:"cluster"`
	TrustDomain *trustDomain `json:"trustDomain"`
}

type made struct {
	// The discovery document, as the API server serves it; absent for a trust domain.
	Configuration json.RawMessage `json:"configuration,omitempty"`
	// The JWK Set, or the SPIFFE bundle.
	Keys   json.RawMessage `json:"keys"`
	Tokens []string        `json:"tokens"`
	// Of the API server.
	URL string `json:"url,omitempty"`
}

func main() {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	must(err)
	var ordered order
	must(json.Unmarshal(line, &ordered))
	answer := map[string]made{}
	if ordered.Cluster != nil {
		key := newKey(ordered.Cluster.Algorithm)
		made, known := ofCluster(*ordered.Cluster, key)
		if ordered.Cluster.APIServer != nil {
			serve(*ordered.Cluster.APIServer, ordered.Cluster.Issuer, key, known, made, input)
			return
		}
		answer["cluster"] = made
	}
	if ordered.TrustDomain != nil {
		answer["trustDomain"] = ofTrustDomain(*ordered.TrustDomain)
	}
	must(json.NewEncoder(os.Stdout).Encode(answer))
}

func ofCluster(given cluster, key crypto.Signer) (made, *objects) {
	generator, err := serviceaccount.JWTTokenGenerator(given.Issuer, key)
	must(err)
	public, err := serviceaccount.StaticPublicKeysGetter([]interface{}{key.Public()})
	must(err)
	metadata, err := serviceaccount.NewOpenIDMetadataProvider(given.Issuer, given.JwksURI, "", public)
	must(err)
	configuration, _ := metadata.GetConfigJSON()
	keys, _ := metadata.GetKeysetJSON()
	tokens := []string{}
	known := &objects{accounts: map[string]types.UID{}, pods: map[string]types.UID{}}
	for _, each := range given.Tokens {
		account := core.ServiceAccount{}
		account.Namespace, account.Name, account.UID = each.Namespace, each.Name, types.UID(each.UID)
		pod := core.Pod{}
		pod.Namespace, pod.Name, pod.UID = each.Namespace, each.Pod, types.UID("uid-of-"+each.Pod)
		known.accounts[each.Namespace+"/"+each.Name] = account.UID
		known.pods[each.Namespace+"/"+each.Pod] = pod.UID
		claims, private, err := serviceaccount.Claims(account, &pod, nil, nil, each.Seconds, 0, each.Audience)
		must(err)
		token, err := generator.GenerateToken(context.Background(), claims, private)
		must(err)
		tokens = append(tokens, token)
	}
	return made{Configuration: configuration, Keys: keys, Tokens: tokens}, known
}

func ofTrustDomain(given trustDomain) made {
	const kid = "JJ7lQqRZ0Pp4lFz1n0yGqKfWn7dUOe2Y"
	domain, err := spiffeid.TrustDomainFromString(given.Name)
	must(err)
	key := newKey("ES256")
	bundle := spiffebundle.New(domain)
	must(bundle.AddJWTAuthority(kid, key.Public()))
	bundle.SetSequenceNumber(1)
	keys, err := bundle.Marshal()
	must(err)
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}},
		(&jose.SignerOptions{}).WithType("JWT"))
	must(err)
	tokens := []string{}
	for _, each := range given.Tokens {
		now := time.Now()
		token, err := jwt.Signed(signer).Claims(jwt.Claims{
			Subject:  each.ID,
			Audience: each.Audience,
			IssuedAt: jwt.NewNumericDate(now),
			Expiry:   jwt.NewNumericDate(now.Add(time.Duration(each.Seconds) * time.Second)),
		}).Serialize()
		must(err)
		_, err = jwtsvid.ParseAndValidate(token, bundle, each.Audience[:1])
		must(err)
		tokens = append(tokens, token)
	}
	return made{Keys: keys, Tokens: tokens}
}

func newKey(algorithm string) crypto.Signer {
	if algorithm == "RS256" {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		return key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
