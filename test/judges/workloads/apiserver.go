// An API server of Kubernetes as far as TokenReview needs it: its own storage of the resource, over its own
// authenticator of service accounts, with accounts and pods that can be deleted while the program runs.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	authentication "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	"k8s.io/kubernetes/pkg/registry/authentication/tokenreview"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

// The audience of the API server itself.
const apiAudience = "https://kubernetes.default.svc"

// How the API server of a cluster is served. The certificate is of 127.0.0.1.
type apiServer struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	// The name of the one account that may review tokens.
	Reviewer string `json:"reviewer"`
}

// What happens in the cluster: a line of standard input, answered by a line.
type happening struct {
	DeleteAccount string `json:"deleteAccount"`
	DeletePod     string `json:"deletePod"`
	// Makes an account anew: the same name, another uid.
	MakeAccount string `json:"makeAccount"`
	UID         string `json:"uid"`
}

// Accounts and pods by namespace/name.
type objects struct {
	lock     sync.Mutex
	accounts map[string]types.UID
	pods     map[string]types.UID
}

func (o *objects) uidOf(known map[string]types.UID, kind, namespace, name string) (meta.ObjectMeta, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	uid, found := known[namespace+"/"+name]
	if !found {
		return meta.ObjectMeta{}, apierrors.NewNotFound(schema.GroupResource{Resource: kind}, name)
	}
	return meta.ObjectMeta{Namespace: namespace, Name: name, UID: uid}, nil
}

func (o *objects) GetServiceAccount(_ context.Context, namespace, name string) (*core.ServiceAccount, error) {
	found, err := o.uidOf(o.accounts, "serviceaccounts", namespace, name)
	return &core.ServiceAccount{ObjectMeta: found}, err
}

func (o *objects) GetPod(_ context.Context, namespace, name string) (*core.Pod, error) {
	found, err := o.uidOf(o.pods, "pods", namespace, name)
	return &core.Pod{ObjectMeta: found}, err
}

func (o *objects) GetSecret(_ context.Context, _, name string) (*core.Secret, error) {
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
}

func (o *objects) GetNode(_ context.Context, name string) (*core.Node, error) {
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, name)
}

// Answers to reviews until standard input ends. `made` is printed first, with the URL.
func serve(given apiServer, issuer string, key crypto.Signer, known *objects, made made, input *bufio.Reader) {
	public, err := serviceaccount.StaticPublicKeysGetter([]interface{}{key.Public()})
	must(err)
	tokens := bearertoken.New(serviceaccount.JWTTokenAuthenticator(
		[]string{issuer}, public, authenticator.Audiences{apiAudience}, serviceaccount.NewValidator(known)))
	reviews := tokenreview.NewREST(tokens, []string{apiAudience})
	handler := http.NewServeMux()
	handler.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", func(w http.ResponseWriter, r *http.Request) {
		asking := r.WithContext(authenticator.WithAudiences(r.Context(), authenticator.Audiences{apiAudience}))
		user, ok, err := tokens.AuthenticateRequest(asking)
		switch {
		case !ok:
			answer(w, 401, apierrors.NewUnauthorized(fmt.Sprint(err)).Status())
		case user.User.GetName() != given.Reviewer:
			resource := schema.GroupResource{Group: "authentication.k8s.io", Resource: "tokenreviews"}
			answer(w, 403, apierrors.NewForbidden(resource, "", fmt.Errorf("%s may not", user.User.GetName())).Status())
		default:
			review(w, r, reviews)
		}
	})
	certificate, err := tls.X509KeyPair([]byte(given.Certificate), []byte(given.Key))
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	made.URL = "https://" + listener.Addr().String()
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{"cluster": made}))
	server := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	go func() { must(server.ServeTLS(listener, "", "")) }()
	follow(known, input)
}

// Decoded, stored and encoded as an API server does it.
func review(w http.ResponseWriter, r *http.Request, reviews *tokenreview.REST) {
	body, err := io.ReadAll(r.Body)
	must(err)
	given, _, err := legacyscheme.Codecs.UniversalDecoder().Decode(body, nil, nil)
	if err != nil {
		answer(w, 400, apierrors.NewBadRequest(err.Error()).Status())
		return
	}
	reviewed, err := reviews.Create(r.Context(), given, nil, &meta.CreateOptions{})
	if err != nil {
		answer(w, 500, apierrors.NewInternalError(err).Status())
		return
	}
	info := legacyscheme.Codecs.SupportedMediaTypes()[0]
	w.Header().Set("Content-Type", info.MediaType)
	w.WriteHeader(201)
	encoder := legacyscheme.Codecs.EncoderForVersion(info.Serializer, authentication.SchemeGroupVersion)
	must(encoder.Encode(reviewed, w))
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	must(json.NewEncoder(w).Encode(body))
}

func follow(known *objects, input *bufio.Reader) {
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var happens happening
		must(json.Unmarshal(line, &happens))
		known.lock.Lock()
		delete(known.accounts, happens.DeleteAccount)
		delete(known.pods, happens.DeletePod)
		if happens.MakeAccount != "" {
			known.accounts[happens.MakeAccount] = types.UID(happens.UID)
		}
		known.lock.Unlock()
		fmt.Println("{}")
	}
}
