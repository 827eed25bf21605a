"""The middleware: WSGI behind a real server of the standard library, ASGI on a real loop."""

from __future__ import annotations

import asyncio
import http.client
import logging
import threading
import time
import unittest
from typing import Any, Iterable, Optional
from wsgiref.simple_server import WSGIRequestHandler, make_server

from latchkey_guard import Guard, Needs, Rule
from latchkey_guard.addresses import Proxies
from latchkey_guard.asgi import ASGIGuard
from latchkey_guard.caching import with_decision
from latchkey_guard.wsgi import WSGIGuard

from .stub import KEY, Reply, Stub, answer, entry_of, guard_of

logging.disable(logging.CRITICAL)

RULES = [
    Rule("GET", "/health", public=True),
    Rule("GET", "/v1/invoices", scopes=["read"]),
    Rule("POST", "/v1/invoices", scopes=["write"]),
    Rule("GET", "/v1/organizations/{organization}/invoices", organization="organization"),
    Rule("*", "/v1/templates/{id}", object=("templates", "id")),
    Rule("GET", "/files/{rest:path}"),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class WebTest(unittest.TestCase):
    def guard(self, **more: Any) -> tuple[Stub, Guard]:
        stub = Stub()
        stub.entry = entry_of()
        guard = guard_of(stub, **more)
        self.addCleanup(stub.close)
        self.addCleanup(guard.close)
        self.assertTrue(guard.start(10))
        return stub, guard


class WSGITest(WebTest):
    def serve(self, **more: Any) -> tuple[Stub, int]:
        stub, guard = self.guard(**more)

        def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            principal = environ["latchkey.principal"]
            headers = [("content-type", "text/plain"), ("vary", "Accept")]
            if environ["PATH_INFO"] == "/files/public":
                headers.append(("cache-control", "public"))
            start("200 OK", headers)
            return [b"nobody" if principal is None else principal.id.encode()]
        server = make_server("127.0.0.1", 0, WSGIGuard(app, guard, RULES), handler_class=Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return stub, server.server_address[1]

    def ask(self, port: int, method: str, path: str, headers: list[tuple[str, str]]) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders()
            got = connection.getresponse()
            return got.status, got.headers, got.read()
        finally:
            connection.close()

    def test_requests_pass_or_are_answered_in_the_style_of_the_resource(self) -> None:
        _, port = self.serve()
        key = [("authorization", f"Bearer {KEY}")]
        status, headers, body = self.ask(port, "GET", "/v1/invoices?a=b", key)
        self.assertEqual((status, body), (200, b"key_a"))
        self.assertEqual(headers["cache-control"], "private")
        self.assertEqual(headers.get_all("vary"), ["Accept", "authorization"])
        status, headers, body = self.ask(port, "POST", "/v1/invoices", key)
        self.assertEqual(status, 403)
        self.assertIn('scope="write"', headers["www-authenticate"])
        self.assertIn(b'"requiredScopes":["write"]', body)
        self.assertEqual(self.ask(port, "GET", "/v1/invoices", [])[0], 401)
        self.assertEqual(self.ask(port, "HEAD", "/v1/invoices", [])[2], b"")
        self.assertEqual(self.ask(port, "GET", "/health", [("latchkey.principal", "x")])[2], b"nobody")
        self.assertEqual(self.ask(port, "GET", "/v1/organizations/org_own/invoices", key)[0], 200)
        self.assertEqual(self.ask(port, "GET", "/v1/organizations/org_foreign/invoices", key)[0], 404)
        self.assertEqual(self.ask(port, "GET", "/files/public", key)[1]["cache-control"], "public")

    def test_a_route_without_a_rule_is_closed(self) -> None:
        _, port = self.serve()
        key = [("authorization", f"Bearer {KEY}")]
        for method, path in (
            ("GET", "/v1/admin"), ("DELETE", "/v1/invoices"), ("GET", "/v1/invoices/"), ("GET", "/HEALTH"),
            ("GET", "/v1/organizations/a/b/invoices"), ("GET", "/health%0a")
        ):
            self.assertEqual(self.ask(port, method, path, key)[0], 404, path)

    def test_several_keys_are_refused_though_the_server_joins_their_headers(self) -> None:
        _, port = self.serve()
        both = [("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")]
        self.assertEqual(self.ask(port, "GET", "/v1/invoices", both)[0], 400)
        other = [("authorization", "Basic eDp5"), ("authorization", f"Bearer {KEY}")]
        self.assertEqual(self.ask(port, "GET", "/v1/invoices", other)[0], 401)

    def test_a_forwarded_address_counts_behind_a_trusted_proxy_alone(self) -> None:
        headers = [("authorization", f"Bearer {KEY}"), ("x-forwarded-for", "198.51.100.7")]
        for trusted, status in (((), 401), (("127.0.0.0/8",), 200)):
            stub, port = self.serve(trusted_proxies=trusted)
            entry = entry_of()
            facts = entry["facts"]
            facts = {**facts, "principal": {**facts["principal"], "allowlist": ["198.51.100.7"]}}
            stub.entry = {**entry, "facts": facts}
            self.assertEqual(self.ask(port, "GET", "/v1/invoices", headers)[0], status)


class ASGITest(WebTest):
    async def ask(self, app: Any, path: str, headers: Iterable[tuple[str, str]] = (), **more: Any) -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)
        await app({
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers], "client": ("192.0.2.1", 5),
            "scheme": "https", **more
        }, receive, send)
        return sent

    @staticmethod
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        principal = scope["latchkey.principal"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"nobody" if principal is None else principal.id.encode()})

    def test_requests_pass_or_are_answered(self) -> None:
        _, guard = self.guard()
        app = ASGIGuard(self.app, guard, RULES)
        key = [("Authorization", f"Bearer {KEY}")]

        async def work() -> None:
            start, body = await self.ask(app, "/v1/invoices", key)
            self.assertEqual((start["status"], body["body"]), (200, b"key_a"))
            self.assertIn((b"cache-control", b"private"), start["headers"])
            start, body = await self.ask(app, "/v1/invoices", key, method="POST")
            self.assertEqual(start["status"], 403)
            self.assertIn((b"content-length", str(len(body["body"])).encode()), start["headers"])
            self.assertEqual((await self.ask(app, "/v1/invoices"))[0]["status"], 401)
            self.assertEqual((await self.ask(app, "/v1/admin", key))[0]["status"], 404)
            self.assertEqual((await self.ask(app, "/health"))[1]["body"], b"nobody")
            refused = await self.ask(app, "/v1/invoices", type="websocket")
            self.assertEqual(refused, [{"type": "websocket.close", "code": 1008}])
            twice = await self.ask(app, "/v1/invoices", key + key)
            self.assertEqual(twice[0]["status"], 400)
        asyncio.run(work())

    def test_the_loop_goes_on_while_the_server_is_asked(self) -> None:
        stub, guard = self.guard()
        app = ASGIGuard(self.app, guard, RULES)
        lookup, let = stub.on["lookup"], threading.Event()

        def slow(body: Any) -> Optional[Reply]:
            let.wait(10)
            return lookup(body)
        stub.on["lookup"] = slow

        async def work() -> None:
            waiting = asyncio.create_task(self.ask(app, "/v1/invoices", [("authorization", f"Bearer {KEY}")]))
            for _ in range(20):
                await asyncio.sleep(0)
                self.assertEqual((await self.ask(app, "/health"))[0]["status"], 200)
            await asyncio.get_running_loop().run_in_executor(None, stub.wait_for, "lookup", 1)
            self.assertFalse(waiting.done())
            let.set()
            self.assertEqual((await waiting)[0]["status"], 200)
        asyncio.run(work())

    def test_it_starts_and_closes_with_the_application(self) -> None:
        stub, guard = self.guard()

        async def work() -> None:
            await ASGIGuard(self.app, guard, RULES)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
        asyncio.run(work())
        self.assertEqual(stub.count("end"), 1)


class RulesTest(unittest.TestCase):
    def test_a_rule_with_a_parameter_that_is_not_in_its_path_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            Rule("GET", "/a/{b}", organization="c")
        with self.assertRaises(ValueError):
            Rule("GET", "/a", scopes="read")
        with self.assertRaises(ValueError):
            Rule("GET", "/a", credits=-1)

    def test_what_a_path_names_is_in_the_needs(self) -> None:
        rule = Rule(
            "GET, PUT", "/o/{org}/t/{t}", scopes=["a"], organization="org", object=("templates", "t"), credits=2
        )
        self.assertEqual(
            rule.needs("PUT", "/o/org_1/t/x.y"),
            Needs(("a",), organization="org_1", object=("templates", "x.y"), credits=2)
        )
        self.assertIsNone(rule.needs("POST", "/o/org_1/t/x"))
        self.assertIsNone(rule.needs("GET", "/o/org_1/t/x/y"))


class ProxiesTest(unittest.TestCase):
    def test_the_caller_is_the_last_address_that_is_no_trusted_proxy(self) -> None:
        proxies = Proxies(["10.0.0.0/8", "2001:db8::1"])

        def caller(peer: Optional[str], *forwarded: str) -> Optional[str]:
            return proxies.caller(peer, forwarded, (), "http")[0]
        self.assertEqual(caller("192.0.2.1", "198.51.100.7"), "192.0.2.1", "a stranger's word does not count")
        self.assertEqual(caller("10.0.0.1", "198.51.100.7"), "198.51.100.7")
        self.assertEqual(caller("::ffff:10.0.0.1", "198.51.100.7"), "198.51.100.7")
        self.assertEqual(caller("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2"), "198.51.100.7")
        self.assertEqual(caller("10.0.0.1", "1.1.1.1", "198.51.100.7:443"), "198.51.100.7")
        self.assertEqual(caller("2001:db8::1", "[2001:db8::7]:1"), "2001:db8::7")
        self.assertEqual(caller("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3")
        self.assertIsNone(caller("10.0.0.1", "198.51.100.7, nonsense"))
        self.assertIsNone(caller(None, "198.51.100.7"))
        self.assertTrue(proxies.caller("10.0.0.1", (), ["http, HTTPS"], "http")[1])
        self.assertFalse(proxies.caller("10.0.0.1", (), ["http"], "https")[1])
        self.assertFalse(proxies.caller("192.0.2.1", (), ["https"], "http")[1])


class CachingTest(WebTest):
    def test_the_headers_of_an_answer(self) -> None:
        _, guard = self.guard()
        from .stub import ANY, request
        decision = guard.decide(request(), ANY)
        self.assertEqual(with_decision([], decision), [("cache-control", "private"), ("vary", "authorization")])
        self.assertEqual(
            with_decision([("Vary", "*"), ("Cache-Control", "max-age=1")], decision),
            [("Vary", "*"), ("Cache-Control", "max-age=1")]
        )
        self.assertEqual(with_decision([("Cache-Control", "no-store")], decision), [("Cache-Control", "no-store")])


if __name__ == "__main__":
    unittest.main()
