"""One guarded route of the standard library's server: GET /invoices needs the scope invoices:read.

Reads LATCHKEY_URL, LATCHKEY_CLIENT_ID, LATCHKEY_CLIENT_SECRET and LATCHKEY_RESOURCE; prints its port once it has trust.
"""

import json
import os
import signal
import sys
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from latchkey_guard import Guard, Rule
from latchkey_guard.wsgi import WSGIGuard


def invoices(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    principal = environ["latchkey.principal"]
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"invoices": [], "for": principal.id}).encode()]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    # Neither a line for each request, nor a look-up of the caller's name.
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def address_string(self) -> str:
        return str(self.client_address[0])


def main() -> None:
    guard = Guard(
        os.environ["LATCHKEY_URL"], os.environ["LATCHKEY_CLIENT_ID"], os.environ["LATCHKEY_CLIENT_SECRET"],
        os.environ["LATCHKEY_RESOURCE"]
    )
    app = WSGIGuard(invoices, guard, [Rule("GET", "/invoices", scopes=["invoices:read"])])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with make_server("127.0.0.1", 0, app, Server, Handler) as server:
        if not guard.start(wait=10):
            sys.exit(f"the guard has no trust: {guard.problem}")
        print(server.server_port, flush=True)
        try:
            server.serve_forever()
        finally:
            guard.close()


if __name__ == "__main__":
    main()
