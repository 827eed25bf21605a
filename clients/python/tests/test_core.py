"""The rules of a guard, against a server of raw sockets that cuts, delays, drips, lies and says nonsense."""

from __future__ import annotations

import copy
import itertools
import logging
import os
import threading
import time
import unittest
from unittest import mock
from typing import Any, Callable, Optional

from latchkey_guard import Guard, GuardError, Needs, connection
from latchkey_guard.session import Moment, Session

from .stub import ANY, KEY, Reply, Stub, answer, entry_of, guard_of, request

logging.disable(logging.CRITICAL)


def always(reply: Reply) -> Callable[[Any], Optional[Reply]]:
    return lambda _: reply


def closing_first(then: Callable[[Any], Optional[Reply]]) -> Callable[[Any], Optional[Reply]]:
    """Closes the connection of the next question without an answer."""
    count = itertools.count()
    return lambda body: None if next(count) == 0 else then(body)


class CoreTest(unittest.TestCase):
    def serve(self, lease: int = 1000, **more: Any) -> tuple[Stub, Guard]:
        stub = Stub(lease=lease)
        stub.entry = entry_of()
        guard = guard_of(stub, **more)
        self.addCleanup(stub.close)
        self.addCleanup(guard.close)
        return stub, guard

    def trusted(self, lease: int = 1000, **more: Any) -> tuple[Stub, Guard]:
        """A guard that remembers the key."""
        stub, guard = self.serve(lease, **more)
        self.assertTrue(guard.start(10))
        self.assertEqual(guard.decide(request(), ANY).status, 200)
        return stub, guard

    def asks_again(self, stub: Stub, guard: Guard) -> bool:
        before = stub.count("lookup") + stub.count("verify")
        guard.decide(request(), ANY)
        return stub.count("lookup") + stub.count("verify") > before

    def test_what_was_looked_up_is_decided_from_memory(self) -> None:
        stub, guard = self.trusted()
        for _ in range(100):
            self.assertTrue(guard.decide(request(), ANY).allowed)
        self.assertEqual(stub.count("lookup"), 1)

    def test_a_change_drops_what_follows_from_it_before_it_is_confirmed(self) -> None:
        stub, guard = self.trusted()
        session = guard._core.session
        assert session is not None
        seen: list[int] = []
        poll = stub.on["poll"]

        def watch(body: Any) -> Optional[Reply]:
            if body["applied"] == 1:
                seen.append(len(session))
            return poll(body)
        stub.on["poll"] = watch
        stub.change("key:k")
        stub.wait(lambda: ("poll", {"applied": 1, "counted": 0}) in stub.asked)
        self.assertEqual(seen[0], 0)
        self.assertTrue(self.asks_again(stub, guard))

    def test_a_change_of_something_else_drops_nothing(self) -> None:
        stub, guard = self.trusted()
        stub.change("key:other")
        stub.wait(lambda: ("poll", {"applied": 1, "counted": 0}) in stub.asked)
        self.assertFalse(self.asks_again(stub, guard))

    def test_everything_outdates_all(self) -> None:
        stub, guard = self.trusted()
        stub.change("everything")
        stub.wait(lambda: ("poll", {"applied": 1, "counted": 0}) in stub.asked)
        self.assertTrue(self.asks_again(stub, guard))

    def test_changes_of_the_resource_and_of_the_keys_open_another_session(self) -> None:
        for subject in ("resources", "signing-keys"):
            with self.subTest(subject):
                stub, guard = self.trusted()
                stub.change(subject)
                stub.wait_for("open", 2)
                self.assertEqual(stub.count("end"), 1, "no change waits for the old one")
                self.assertTrue(self.asks_again(stub, guard))

    def test_a_session_that_the_server_does_not_know_is_opened_again_with_an_empty_memory(self) -> None:
        for status in (404, 410):
            with self.subTest(status):
                stub, guard = self.trusted()
                poll = stub.on["poll"]
                stub.on["poll"] = lambda body: answer(status, {"error": "gone", "code": "SESSION_ENDED"})
                stub.wait_for("open", 2)
                stub.on["poll"] = poll
                self.assertTrue(guard._core.wait_until(lambda: guard.is_trusted, 10))
                self.assertTrue(self.asks_again(stub, guard))

    # Trust

    def _late_answer(self, session: type[Session]) -> bool:
        """Whether memory counts 250 ms after an answer that came 250 ms before the end of what it is worth."""
        stub, guard = self.trusted(lease=1000, _session=session)
        poll, answered = stub.on["poll"], threading.Event()

        def late(body: Any) -> Optional[Reply]:
            reply = poll(body)
            if answered.is_set():
                time.sleep(5)
                return None
            time.sleep(0.7)
            answered.set()
            return reply
        stub.on["poll"] = late
        n = stub.count("poll")
        stub.wait_for("poll", n + 2)
        self.assertTrue(answered.is_set())
        time.sleep(0.3)
        return not self.asks_again(stub, guard)

    def test_trust_is_counted_from_when_the_poll_was_sent(self) -> None:
        self.assertFalse(self._late_answer(Session))

    def test_a_guard_that_counts_from_the_answer_is_found_out(self) -> None:
        class FromTheAnswer(Session):
            def _trust_begins(self, sent: Moment) -> Moment:
                return Moment.now()
        self.assertTrue(self._late_answer(FromTheAnswer))

    def _change_during_lookup(self, session: type[Session]) -> bool:
        """Whether memory has an answer that was given before a change and came after it."""
        stub, guard = self.serve(_session=session)
        self.assertTrue(guard.start(10))
        lookup = stub.on["lookup"]

        def slow(body: Any) -> Optional[Reply]:
            reply = lookup(body)
            stub.change("key:k")
            stub.wait(lambda: ("poll", {"applied": 1, "counted": 0}) in stub.asked)
            return reply
        stub.on["lookup"] = slow
        self.assertTrue(guard.decide(request(), ANY).allowed, "it decides the request that asked")
        stub.on["lookup"] = lookup
        return not self.asks_again(stub, guard)

    def test_an_answer_over_a_change_is_not_kept(self) -> None:
        self.assertFalse(self._change_during_lookup(Session))

    def test_a_guard_that_keeps_every_answer_is_found_out(self) -> None:
        class KeepsAll(Session):
            def _may_keep(self, position: int) -> bool:
                return True
        self.assertTrue(self._change_during_lookup(KeepsAll))

    def test_a_poll_whose_connection_closes_ends_trust_at_once(self) -> None:
        stub, guard = self.trusted(lease=60_000)
        stub.on["poll"] = lambda _: None
        stub.on["open"] = lambda _: None
        n = stub.count("poll")
        stub.wait_for("poll", n + 2)
        self.assertFalse(guard.is_trusted)
        self.assertTrue(self.asks_again(stub, guard))

    def test_the_wall_clock_ends_trust_as_well(self) -> None:
        stub, guard = self.trusted(lease=60_000)
        session = guard._core.session
        assert session is not None
        until = session._trusted_until
        session._trusted_until = Moment(until.monotonic, time.time() - 1)
        self.assertFalse(session.is_trusted)

    def test_no_trust_is_given_with_zero(self) -> None:
        stub, guard = self.trusted(lease=60_000)
        stub.trust_for = 0
        n = stub.count("poll")
        stub.wait_for("poll", n + 3)
        self.assertFalse(guard.is_trusted)

    def test_more_trust_than_the_lease_is_not_believed(self) -> None:
        stub, guard = self.serve(lease=500)
        stub.trust_for = 10**9
        self.assertTrue(guard.start(10))
        session = guard._core.session
        assert session is not None
        self.assertLess(session._trusted_until.monotonic, time.monotonic() + 0.5)

    def test_a_refusal_is_never_kept(self) -> None:
        stub, guard = self.serve()
        refusal = {"reason": "unknown", "presented": "api_key", "subject": None, "organizationId": None}
        stub.on["lookup"] = lambda _: answer(200, {"position": None, "refusal": refusal})
        self.assertTrue(guard.start(10))
        for n in (1, 2, 3):
            self.assertEqual(guard.decide(request(), ANY).status, 401)
            self.assertEqual(stub.count("lookup"), n)

    # What is no answer

    def test_polls_that_are_no_answers_give_no_trust(self) -> None:
        good = b'{"position":0,"changes":[],"trustFor":1000}'
        length = b"content-length: %d\r\n\r\n" % len(good)
        replies: dict[str, bytes] = {
            "cut in the middle of the body": b"HTTP/1.1 200 OK\r\n" + length + good[:20],
            "cut in the middle of the head": b"HTTP/1.1 200 OK\r\ncontent-le",
            "no HTTP": b"\x00\xff garbage\r\n\r\n",
            "no JSON": b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
            "another shape": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
            "no length": b"HTTP/1.1 200 OK\r\n\r\n" + good,
            "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n" + length + good,
            "a length that is none": b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n" + good,
            "two answers": b"HTTP/1.1 200 OK\r\n" + length + good + b"HTTP/1.1 200 OK\r\n" + length + good,
            "a bad chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" + good,
            "chunks that end too early": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2b\r\n" + good,
            "a negative position": b"HTTP/1.1 200 OK\r\ncontent-length: 44\r\n\r\n" + good.replace(b"0,", b"-1,"),
            "an error": b"HTTP/1.1 500 X\r\n" + length + good,
        }
        for name, text in replies.items():
            with self.subTest(name):
                stub, guard = self.trusted(lease=60_000)
                stub.on["poll"] = always((text, True))
                stub.on["open"] = lambda _: None
                n = stub.count("poll") + stub.count("open")
                stub.wait(lambda: sum(kind in ("poll", "open") for kind, _ in stub.asked) >= n + 3)
                self.assertFalse(guard.is_trusted)
                guard.close()
                stub.close()

    def test_a_position_that_goes_back_gives_no_trust(self) -> None:
        stub, guard = self.trusted(lease=60_000)
        stub.change("key:k")
        stub.wait(lambda: ("poll", {"applied": 1, "counted": 0}) in stub.asked)
        stub.on["poll"] = lambda _: answer(200, {"position": 0, "changes": [], "trustFor": 60_000})
        n = stub.count("poll")
        stub.wait_for("poll", n + 3)
        self.assertFalse(guard.is_trusted)

    def test_chunks_and_interim_answers_are_read(self) -> None:
        stub, guard = self.serve()
        body = b'{"position":0,"changes":[],"trustFor":1000}'
        chunks = b"".join(b"1;x=y\r\n" + body[i:i + 1] + b"\r\n" for i in range(len(body))) + b"0\r\nx: y\r\n\r\n"
        text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks

        def poll(_: Any) -> Optional[Reply]:
            time.sleep(0.05)
            return text, False
        stub.on["poll"] = poll
        self.assertTrue(guard.start(10))

    def test_a_look_up_that_is_no_answer_lets_nothing_pass(self) -> None:
        entry = entry_of()
        replies: list[Callable[[Any], Optional[Reply]]] = [
            lambda _: None,
            lambda _: (b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{", True),
            lambda _: answer(200, {}),
            lambda _: answer(200, []),
            lambda _: answer(200, {"position": "0", "entry": entry}),
            lambda _: answer(200, {"position": 0, "entry": {**entry, "facts": {**entry["facts"], "kind": "session"}}}),
            lambda _: answer(200, {"position": 0, "entry": {**entry, "facts": {
                **entry["facts"], "principal": {**entry["facts"]["principal"], "allowlist": ["everywhere"]}
            }}}),
            lambda _: answer(500, {"error": "no", "code": "INTERNAL"}),
            lambda _: answer(204),
        ]
        for reply in replies:
            stub, guard = self.serve()
            stub.on["lookup"] = reply
            self.assertTrue(guard.start(10))
            decision = guard.decide(request(), ANY)
            self.assertEqual((decision.allowed, decision.status), (False, 503))
            guard.close()
            stub.close()

    def test_a_server_that_drips_is_left_at_the_deadline(self) -> None:
        stub, guard = self.serve(timeout=0.5)
        self.assertTrue(guard.start(10))

        def drip(_: Any) -> Optional[Reply]:
            connection = stub._connections[-1]
            try:
                for _ in range(100):
                    connection.sendall(b"H")
                    time.sleep(0.1)
            except OSError:
                pass
            return None
        stub.on["lookup"] = drip
        began = time.monotonic()
        self.assertEqual(guard.decide(request(), ANY).status, 503)
        self.assertLess(time.monotonic() - began, 5)

    def test_no_server_at_all_is_503(self) -> None:
        stub, guard = self.serve(timeout=0.3)
        stub.close()
        decision = guard.decide(request(), ANY)
        self.assertEqual((decision.status, dict(decision.headers)["retry-after"]), (503, "1"))

    # Verify

    def test_without_trust_it_asks_for_each_request(self) -> None:
        stub, guard = self.serve(lease=60_000)
        stub.trust_for = 0
        principal = entry_of()["facts"]["principal"]
        stub.on["verify"] = lambda _: answer(200, {
            "allowed": True, "principal": principal, "headers": {"ratelimit": '"month";r=1;t=9'}
        })
        guard.start()
        for n in (1, 2, 3):
            decision = guard.decide(request(address="192.0.2.1"), ANY)
            self.assertTrue(decision.allowed)
            self.assertEqual(decision.headers, (("ratelimit", '"month";r=1;t=9'),))
            self.assertEqual((stub.count("verify"), stub.count("lookup")), (n, 0))
        body = [body for kind, body in stub.asked if kind == "verify"][0]
        self.assertEqual(body, {
            "credential": KEY, "resource": "res_opencrane", "scopes": [], "apiKeyOnly": False, "credits": 0,
            "method": "GET", "path": "/v1/invoices", "address": "192.0.2.1"
        })

    def test_a_look_up_whose_connection_was_closed_is_asked_again(self) -> None:
        stub, guard = self.trusted()
        stub.on["lookup"] = closing_first(stub.on["lookup"])
        self.assertTrue(guard.decide(request(KEY[:-1] + "x"), ANY).allowed)
        self.assertEqual(stub.count("lookup"), 3)

    def verifying(self) -> tuple[Stub, Guard]:
        """A guard without trust, with a connection that was used just now."""
        stub, guard = self.serve(lease=60_000)
        stub.trust_for = 0
        passes = answer(200, {"allowed": True, "principal": entry_of()["facts"]["principal"]})
        stub.on["verify"] = always(passes)
        guard.start()
        self.assertTrue(guard.decide(request(), ANY).allowed)
        return stub, guard

    def keys(self, stub: Stub) -> list[str]:
        return [key for (kind, _), key in zip(stub.asked, stub.keys) if kind == "verify"]

    def test_a_call_that_counts_is_not_asked_again_on_a_connection_in_use(self) -> None:
        stub, guard = self.verifying()
        stub.on["verify"] = closing_first(stub.on["verify"])
        self.assertEqual(guard.decide(request(), ANY).status, 503)
        self.assertEqual(self.keys(stub), ["", ""])

    def test_a_call_that_counts_is_asked_again_with_its_key_where_the_connection_was_idle(self) -> None:
        stub, guard = self.verifying()
        stub.on["verify"] = closing_first(stub.on["verify"])
        # What makes a connection idle is the time alone.
        time.sleep(connection._IDLE_AFTER + 0.1)
        self.assertTrue(guard.decide(request(), ANY).allowed)
        first, lost, again = self.keys(stub)
        self.assertEqual((first, lost), ("", again))
        self.assertEqual(len(lost), 32)

    def test_what_is_no_id_is_asked_about_as_the_id_of_nothing(self) -> None:
        for odd in ("", "x" * 10_000, "a\0b", "a\x1bb", "a\ud800"):
            stub, guard = self.verifying()
            needs = Needs(organization=odd, object=("templates", odd))
            self.assertTrue(guard.decide(request(), needs).allowed)
            body = [body for kind, body in stub.asked if kind == "verify"][-1]
            self.assertEqual(body["organization"], "org_none")
            self.assertRegex(body["object"]["id"], "^obj_[0-9a-f]{32}$")
            guard.close()
            stub.close()

    def test_a_verification_that_is_no_answer_lets_nothing_pass(self) -> None:
        said: list[Any] = [
            {}, {"allowed": "yes"}, {"allowed": True}, {"allowed": False, "refusal": {"status": 200}}, []
        ]
        for each in said:
            stub, guard = self.serve(lease=60_000)
            stub.trust_for = 0
            stub.on["verify"] = always(answer(200, each))
            guard.start()
            self.assertEqual(guard.decide(request(), ANY).status, 503, each)
            guard.close()
            stub.close()

    # Memory, usage, life

    def test_memory_has_a_bound_and_keeps_what_was_used(self) -> None:
        stub, guard = self.serve(most_entries=3)
        self.assertTrue(guard.start(10))
        texts = [f"oc_live_{n:033d}" for n in range(4)]
        for text in texts[:3]:
            guard.decide(request(text), ANY)
        guard.decide(request(texts[0]), ANY)
        guard.decide(request(texts[3]), ANY)
        session = guard._core.session
        assert session is not None
        self.assertEqual((len(session), stub.count("lookup")), (3, 4))
        guard.decide(request(texts[0]), ANY)
        self.assertEqual(stub.count("lookup"), 4)
        guard.decide(request(texts[1]), ANY)
        self.assertEqual(stub.count("lookup"), 5)

    def test_calls_are_reported_once_and_again_until_they_are_answered(self) -> None:
        stub, guard = self.trusted()
        failures = [answer(503, {"error": "no", "code": "STORAGE_UNAVAILABLE"})]

        def usage(_: Any) -> Optional[Reply]:
            return failures.pop() if failures else answer(204)
        stub.on["usage"] = usage
        for _ in range(6):
            guard.decide(request(), ANY)
        stub.wait_for("usage", 2)
        guard.decide(request(), ANY)
        guard.close()
        reports = [body for kind, body in stub.asked if kind == "usage"]
        self.assertEqual(reports[0], reports[1], "the same under the same number")
        by_number = {report["sequence"]: report["entries"][0]["calls"] for report in reports}
        self.assertEqual(sum(by_number.values()), 8)
        self.assertEqual(sorted(by_number), list(range(1, len(by_number) + 1)))
        self.assertEqual(stub.asked[-1][0], "end", "it leaves after the last report")

    def _limited(self, **more: Any) -> tuple[Stub, Guard]:
        """A key with 10 calls a minute, of which one was counted elsewhere, on a clock that stands still."""
        stub, guard = self.serve(lease=60_000)
        entry = copy.deepcopy(entry_of())
        entry["facts"]["key"].update(chainId="key_1", callsPerMinute=10)
        entry["facts"]["organization"]["callsPerMinute"] = None
        stub.on["lookup"] = lambda _: answer(200, {"position": 0, "entry": entry, "elsewhere": {"key_1": 1}, **more})
        now = time.time_ns() // 1_000_000
        clock = mock.patch("latchkey_guard.session._now", lambda: now)
        clock.start()
        self.addCleanup(clock.stop)
        guard._clock = lambda: now
        self.assertTrue(guard.start(10))
        return stub, guard

    def _remaining(self, guard: Guard) -> str:
        return dict(guard.decide(request(), ANY).headers)["ratelimit"].partition(";t=")[0]

    def test_what_was_counted_elsewhere_is_owed_once_and_confirmed_by_the_next_poll(self) -> None:
        stub, guard = self._limited()
        self.assertEqual(self._remaining(guard), '"minute";r=8')
        poll = stub.on["poll"]
        told = iter([(1, 4), (2, 3), (3, 5), (4, 2)])

        def tell(body: Any) -> Optional[Reply]:
            counted, total = next(told, (None, None))
            if counted is None:
                return poll(body)
            return answer(200, {
                "position": 0, "changes": [], "trustFor": 60_000, "counted": counted, "elsewhere": {"key_1": total}
            })
        stub.on["poll"] = tell
        stub.wait(lambda: ("poll", {"applied": 0, "counted": 4}) in stub.asked)
        self.assertEqual(self._remaining(guard), '"minute";r=3')
        stub.on["poll"] = lambda _: answer(200, {
            "position": 0, "changes": [], "trustFor": 60_000, "counted": 5, "elsewhere": {"key_1": 10**15}
        })
        stub.wait(lambda: ("poll", {"applied": 0, "counted": 5}) in stub.asked)
        refused = guard.decide(request(), ANY)
        self.assertEqual(dict(refused.headers)["retry-after"], "66", "a minute, and until one call has room")

    def test_another_session_begins_with_what_its_server_says(self) -> None:
        stub, guard = self._limited()
        for remaining in (8, 7, 6):
            self.assertEqual(self._remaining(guard), f'"minute";r={remaining}')
        stub.change("signing-keys")
        stub.wait_for("open", 2)
        self.assertTrue(guard._core.wait_until(lambda: guard.is_trusted, 10))
        self.assertEqual(self._remaining(guard), '"minute";r=8')

    def test_counts_that_are_none_give_no_trust(self) -> None:
        for wrong in (None, [], "x", {"key_1": -1}, {"key_1": 1.5}, {"key_1": True}, {"key_1": "1"}):
            with self.subTest(wrong):
                stub, guard = self._limited(elsewhere=wrong)
                self.assertEqual(guard.decide(request(), ANY).status, 503)
                stub.on["poll"] = always(answer(200, {
                    "position": 0, "changes": [], "trustFor": 60_000, "counted": 1, "elsewhere": wrong
                }))
                n = stub.count("poll")
                stub.wait_for("poll", n + 3)
                self.assertFalse(guard.is_trusted)
                guard.close()
                stub.close()

    def test_it_ends_its_session_and_refuses_everything_afterwards(self) -> None:
        stub, guard = self.trusted()
        guard.close()
        self.assertEqual(stub.count("end"), 1)
        self.assertEqual(guard.decide(request(), ANY).status, 503)
        guard.close()
        self.assertEqual(stub.count("end"), 1)

    def test_many_threads_at_once(self) -> None:
        stub, guard = self.trusted()
        wrong: list[int] = []

        def work() -> None:
            for _ in range(300):
                status = guard.decide(request(), ANY).status
                if status != 200:
                    wrong.append(status)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            stub.change("key:k")
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        guard.close()
        calls = sum(entry["calls"] for kind, body in stub.asked if kind == "usage" for entry in body["entries"])
        self.assertEqual(calls, 8 * 300 + 1)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_a_forked_worker_opens_a_session_of_its_own(self) -> None:
        stub, guard = self.trusted()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if len(guard._core._threads) == 0 and not guard.is_trusted and guard.start(10):
                    code = 0 if guard.decide(request(), ANY).status == 200 else 2
                guard.close()
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual((stub.count("open"), stub.count("lookup"), stub.count("end")), (2, 2, 1))
        self.assertTrue(guard.is_trusted, "the parent goes on with its own")

    def test_no_error_and_no_representation_holds_a_secret(self) -> None:
        stub, guard = self.serve(timeout=0.2)
        asked = request()
        for text in (repr(guard), repr(asked), repr(guard._options), repr(guard._core.pool), str(vars(asked).keys())):
            self.assertNotIn(KEY, text)
            self.assertNotIn("secret-of-the-client", text)
        for wrong in (
            "ftp://x", "http://", "http://user:pass@host", "https://host:x", "https://host?secret-of-the-client",
            "https://host/secret-of-the-client", "http://auth.example.com", "http://10.0.0.1:3000",
        ):
            with self.assertRaises(GuardError) as caught:
                Guard(wrong, "id", "secret-of-the-client", "r")
            self.assertNotIn("secret-of-the-client", str(caught.exception))
        for right in ("https://host/", "http://localhost:3", "http://127.0.0.2", "http://[::1]:3000"):
            Guard(right, "id", "s", "r")
        Guard("http://latchkey:3000", "id", "s", "r", allow_plain_http=True)
        stub.close()
        with self.assertLogs("latchkey_guard", "DEBUG") as logs:
            logging.disable(logging.NOTSET)
            logging.getLogger("latchkey_guard").error("begin")
            guard.decide(asked, ANY)
            guard._core.wait_until(lambda: guard.problem is not None, 5)
            logging.disable(logging.CRITICAL)
        self.assertNotIn(KEY, "\n".join(logs.output))
        self.assertNotIn("secret-of-the-client", "\n".join(logs.output) + str(guard.problem))


if __name__ == "__main__":
    unittest.main()
