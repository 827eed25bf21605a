"""Python libraries of others against a running Latchkey. Reads its variables, prints one line of JSON for each client that got
through, and ends with an exception at the first that did not."""

import json
import os
import pathlib

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT

issuer, resource, api = os.environ["ISSUER"], os.environ["RESOURCE"], os.environ["API"]
client_id, client_secret = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]


def tell(client, settings=""):
    print(json.dumps({"client": client, "settings": settings}), flush=True)


def passes(session):
    answer = session.get(api)
    assert answer.status_code == 200, f"the API answered {answer.status_code}"


configuration = requests.get(f"{issuer}/.well-known/openid-configuration").json()
token_endpoint = configuration["token_endpoint"]

# Authlib with a secret.
session = OAuth2Session(client_id, client_secret)
token = session.fetch_token(token_endpoint, grant_type="client_credentials")["access_token"]
passes(session)
tell("Authlib")

# Authlib with a key: its assertions are for the token endpoint, and live for an hour.
session = OAuth2Session(
    os.environ["KEYED_CLIENT_ID"],
    pathlib.Path(os.environ["KEY_FILE"]).read_text(),
    token_endpoint_auth_method=PrivateKeyJWT(token_endpoint, headers={"kid": os.environ["KEY_ID"]}),
)
session.fetch_token(token_endpoint, grant_type="client_credentials")
passes(session)
tell("Authlib private_key_jwt", "assertionProfile: rfc7523")

# The recipe of PyJWT's documentation for OIDC: keys and algorithms are what discovery says.
keys = jwt.PyJWKClient(configuration["jwks_uri"])
algorithms = configuration["id_token_signing_alg_values_supported"]
claims = jwt.decode(
    token, key=keys.get_signing_key_from_jwt(token), algorithms=algorithms, audience=resource, issuer=issuer
)
assert claims["client_id"] == client_id
tell("PyJWT")
