"""A client and a key, made by the client that openapi-python-client made of the served document. Prints their ids."""
import os
import pkgutil
import sys
from importlib import import_module

import latchkey_client
from latchkey_client import AuthenticatedClient
from latchkey_client.api.api_keys import create_api_key, get_api_key
from latchkey_client.api.clients import create_client, list_clients
from latchkey_client.api.organizations import create_organization
from latchkey_client.api.resources import create_resource
from latchkey_client.models import (
    CreateApiKeyRequest,
    CreateApiKeyRequestEnvironment,
    CreateClientRequest,
    CreateClientRequestGrantsItem,
    CreateOrganizationRequest,
    CreateResourceRequest,
    CreateResourceRequestScopesItem,
)

for module in pkgutil.walk_packages(latchkey_client.__path__, "latchkey_client."):
    import_module(module.name)

api = AuthenticatedClient(base_url=sys.argv[1], token=os.environ["LATCHKEY_TOKEN"], raise_on_unexpected_status=True)
organization = create_organization.sync(client=api, body=CreateOrganizationRequest(name="Acme"))
scope = CreateResourceRequestScopesItem(name="invoices:read")
resource = create_resource.sync(client=api, body=CreateResourceRequest(identifier="https://python.acme.test", scopes=[scope]))
grant = CreateClientRequestGrantsItem(resource=resource.identifier, scopes=["invoices:read"])
client = create_client.sync(client=api, body=CreateClientRequest(organization=organization.id, name="billing", grants=[grant]))
key = create_api_key.sync(client=api, body=CreateApiKeyRequest(
    organization=organization.id, resource=resource.id, environment=CreateApiKeyRequestEnvironment.LIVE, name="ci", scopes=["invoices:read"],
))
assert get_api_key.sync(client=api, id=key.id).name == "ci"
page = list_clients.sync(client=api, organization=organization.id, limit=1)
assert [each.client_id for each in page.data] == [client.client_id]
print(client.client_id, client.client_secret, key.id, key.key)
