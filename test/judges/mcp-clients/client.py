"""`mcp`, the Python SDK: it does all of it by itself. The steps are those of steps.ts."""
import asyncio
import json
import os
import sys
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

url, redirect_uri = os.environ["MCP_URL"], os.environ["REDIRECT_URI"]


class Memory:
    """What an installation keeps."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Person:
    """Sends the person of the judge to the authorization server."""

    async def ask(self, authorization_url):
        async with httpx2.AsyncClient() as http:
            answer = await http.post(os.environ["PERSON"], content=authorization_url, timeout=60)
        answer.raise_for_status()
        self.back = {name: values[0] for name, values in parse_qs(urlparse(answer.text).query).items()}

    async def answer(self):
        back = self.back
        return AuthorizationCodeResult(code=back.get("code"), state=back.get("state"), iss=back.get("iss"))


memory, person = Memory(), Person()
provider = OAuthClientProvider(
    server_url=url,
    client_metadata=OAuthClientMetadata(
        client_name="Notes on the Desk",
        redirect_uris=[redirect_uri],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    ),
    storage=memory,
    redirect_handler=person.ask,
    callback_handler=person.answer,
    client_metadata_url=os.environ.get("METADATA_URL") or None,
)


def tell(**step):
    print(json.dumps(step), flush=True)


async def call(tool):
    async with httpx2.AsyncClient(auth=provider, timeout=60) as http:
        async with streamable_http_client(url, http_client=http) as streams:
            async with ClientSession(*streams[:2]) as session:
                await session.initialize()
                return (await session.call_tool(tool, {})).content[0].text


async def main():
    tell(step="read", text=await call("list_notes"))
    before = memory.tokens
    provider.context.token_expiry_time = 1
    text = await call("list_notes")
    after = memory.tokens
    is_new = after.access_token != before.access_token and after.refresh_token != before.refresh_token
    tell(step="refresh", isNew=is_new)
    tell(step="read", text=text)
    tell(step="write", text=await call("add_note"))
    tokens = memory.tokens
    tell(step="tokens", access=tokens.access_token, refresh=tokens.refresh_token, clientId=memory.client.client_id)
    for _ in sys.stdin:
        tell(step="read", text=await call("list_notes"))


asyncio.run(main())
