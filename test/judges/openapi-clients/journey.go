// A client and a key, made by the client that oapi-codegen made of the served document. Prints their ids.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"latchkey.test/journey/api"
)

func main() {
	ctx := context.Background()
	authorize := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("LATCHKEY_TOKEN"))
		return nil
	}
	client, err := api.NewClientWithResponses(os.Args[1], api.WithRequestEditorFn(authorize))
	require(err)

	organization, err := client.CreateOrganizationWithResponse(ctx, nil, api.CreateOrganizationRequest{Name: "Acme"})
	require(err)
	resource, err := client.CreateResourceWithResponse(ctx, nil, createResource())
	require(err)
	scopes := []string{"invoices:read"}
	request := api.CreateClientRequest{Organization: organization.JSON201.Id, Name: "billing"}
	request.Grants = append(request.Grants, struct {
		Resource string   `json:"resource"`
		Scopes   []string `json:"scopes"`
	}{Resource: resource.JSON201.Identifier, Scopes: scopes})
	made, err := client.CreateClientWithResponse(ctx, nil, request)
	require(err)
	key, err := client.CreateApiKeyWithResponse(ctx, nil, api.CreateApiKeyRequest{
		Organization: organization.JSON201.Id,
		Resource:     resource.JSON201.Id,
		Environment:  api.CreateApiKeyRequestEnvironmentLive,
		Name:         "ci",
		Scopes:       &scopes,
	})
	require(err)
	limit := 1
	page, err := client.ListClientsWithResponse(ctx, &api.ListClientsParams{Organization: &organization.JSON201.Id, Limit: &limit})
	require(err)
	if len(page.JSON200.Data) != 1 || page.JSON200.Data[0].ClientId != made.JSON201.ClientId {
		panic("another client is listed")
	}
	fmt.Println(made.JSON201.ClientId, *made.JSON201.ClientSecret, key.JSON201.Id, key.JSON201.Key)
}

func createResource() api.CreateResourceRequest {
	request := api.CreateResourceRequest{Identifier: "https://go.acme.test"}
	request.Scopes = append(request.Scopes, struct {
		Description *string `json:"description,omitempty"`
		KeyOnly     *bool   `json:"keyOnly,omitempty"`
		Name        string  `json:"name"`
	}{Name: "invoices:read"})
	return request
}

func require(err error) {
	if err != nil {
		panic(err)
	}
}
