"""What a guard tells of its contact with its server, and how often it asks a server that refuses it."""

from __future__ import annotations

import logging
import socket
import threading
import unittest
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any, Optional

from latchkey_guard import Guard
from latchkey_guard.core import clock_problem, pause_after

from .stub import ANY, KEY, Reply, Stub, answer, entry_of, guard_of, request


class Lines(logging.Handler):
    """What is logged, at WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []
        self.changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self.changed:
            self.told.append(record.getMessage())
            self.changed.notify_all()

    def wait_for(self, text: str) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: any(text in each for each in self.told), 20):
                raise AssertionError(f"not told within 20 s: {text}; told: {self.told}")


class ContactTest(unittest.TestCase):
    def serve(self, lease: int = 60_000) -> tuple[Stub, Guard, Lines]:
        stub = Stub(lease=lease)
        stub.entry = entry_of()
        guard = guard_of(stub)
        self.addCleanup(stub.close)
        self.addCleanup(guard.close)
        lines = Lines()
        logger = logging.getLogger("latchkey_guard")
        before, propagates = logging.root.manager.disable, logger.propagate
        logging.disable(logging.NOTSET)
        logger.propagate = False
        logger.addHandler(lines)

        def restore() -> None:
            logger.removeHandler(lines)
            logger.propagate = propagates
            logging.disable(before)
        self.addCleanup(restore)
        return stub, guard, lines

    def test_a_problem_is_told_once_until_it_changes_and_its_end_once(self) -> None:
        stub, guard, lines = self.serve()
        self.assertTrue(guard.start(10))
        poll = stub.on["poll"]
        stub.on["poll"] = lambda _: answer(503)
        stub.wait_for("poll", stub.count("poll") + 5)
        stub.on["poll"] = lambda _: answer(500, {"code": "INTERNAL"})
        lines.wait_for("500 INTERNAL")
        stub.on["poll"] = poll
        lines.wait_for("again")
        stub.wait_for("poll", stub.count("poll") + 5)
        self.assertEqual(lines.told, [
            "the guard has no trust: the poll was answered with 503",
            "the guard has no trust: the poll was answered with 500 INTERNAL",
            "the guard follows its authorization server again",
        ])

    def test_what_is_no_answer_is_told_in_words_for_people_and_once(self) -> None:
        stub, guard, lines = self.serve()
        self.assertTrue(guard.start(10))
        where = stub.url.removeprefix("http://")
        garbage = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"
        for reply, problem in (
            (None, f"{where} did not answer: the connection was closed"),
            ((garbage, True), f"{where} did not answer: the answer cannot be read"),
            (answer(200, []), "an unreadable answer: TypeError"),
        ):
            stub.on["poll"] = lambda _: reply
            lines.wait_for(problem)
            stub.wait_for("poll", stub.count("poll") + 2)
        self.assertEqual(len(lines.told), 3, lines.told)
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        lost = Guard(f"http://127.0.0.1:{port}", "cli_test", "s", "https://api.example.test/opencrane")
        self.addCleanup(lost.close)
        lost.start()
        lines.wait_for(f"127.0.0.1:{port} did not answer: connection refused")

    def test_a_guard_that_is_refused_asks_nothing_for_its_requests_and_recovers_by_itself(self) -> None:
        for status in (401, 403):
            with self.subTest(status):
                stub, guard, lines = self.serve()
                self.assertTrue(guard.start(10))
                self.assertEqual(guard.decide(request(), ANY).status, 200)
                poll, opening = stub.on["poll"], stub.on["open"]
                stub.on["poll"] = stub.on["open"] = lambda _: answer(status)
                lines.wait_for("no session was opened")
                asked = (stub.count("lookup"), stub.count("verify"))
                for _ in range(30):
                    self.assertEqual(guard.decide(request(), ANY).status, 503)
                    self.assertEqual(guard.decide(request(KEY[:-1] + "x"), ANY).status, 503)
                self.assertEqual((stub.count("lookup"), stub.count("verify")), asked)
                stub.on["poll"], stub.on["open"] = poll, opening
                lines.wait_for("again")
                self.assertEqual(guard.decide(request(), ANY).status, 200)

    def test_a_guard_that_was_never_let_in_answers_at_once(self) -> None:
        stub, guard, lines = self.serve()
        stub.on["open"] = lambda _: answer(401)
        guard.start()
        lines.wait_for("no session was opened")
        for _ in range(30):
            self.assertEqual(guard.decide(request(), ANY).status, 503)
        self.assertLess(stub.count("open"), 10)

    def test_a_refused_look_up_stands_for_the_guard_until_the_poll_is_answered(self) -> None:
        stub, guard, _ = self.serve()
        self.assertTrue(guard.start(10))
        poll = stub.on["poll"]
        held, release = threading.Event(), threading.Event()

        def hold(body: Any) -> Optional[Reply]:
            held.set()
            release.wait(20)
            return poll(body)
        stub.on["poll"] = hold
        self.assertTrue(held.wait(10))
        look_up = stub.on["lookup"]
        stub.on["lookup"] = lambda _: answer(401)
        for _ in range(5):
            self.assertEqual(guard.decide(request(), ANY).status, 503)
        self.assertEqual((stub.count("lookup"), stub.count("verify")), (1, 0))
        stub.on["lookup"] = look_up
        release.set()
        stub.wait_for("poll", stub.count("poll") + 2)
        self.assertEqual(guard.decide(request(), ANY).status, 200)

    def test_a_clock_that_is_an_hour_behind_is_told_of_once_over_several_sessions(self) -> None:
        stub, guard, lines = self.serve()
        opening = stub.on["open"]

        def dated(body: Any) -> Optional[Reply]:
            reply = opening(body)
            assert reply is not None
            date = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True).encode()
            return reply[0].replace(b"\r\n", b"\r\ndate: " + date + b"\r\n", 1), False
        stub.on["open"] = dated
        self.assertTrue(guard.start(10))
        stub.change("signing-keys")
        stub.wait_for("open", 2)
        self.assertTrue(guard._core.wait_until(lambda: guard.is_trusted, 10))
        self.assertEqual(len(lines.told), 1, lines.told)
        self.assertRegex(lines.told[0], r"is 3(599|600) s behind that of its authorization server")

    def test_the_clocks_differ_if_no_moment_of_the_request_explains_the_date_of_its_answer(self) -> None:
        told = datetime(2026, 1, 1, tzinfo=timezone.utc)
        date = format_datetime(told, usegmt=True)
        for asked, answered, problem in (
            (0.0, 0.0, None), (-300.0, 300.0, None), (-20.0, -15.0, None), (-20.0, -16.0, "is 16 s behind"),
            (16.999, 20.0, None), (17.0, 20.0, "is 16 s ahead of"),
        ):
            found = clock_problem(date, told.timestamp() + asked, told.timestamp() + answered)
            self.assertEqual(found is None, problem is None, found)
            self.assertIn(problem or "", found or "")
        for none in (None, "", "yesterday"):
            self.assertIsNone(clock_problem(none, 0.0, 0.0))

    def test_pauses_grow(self) -> None:
        for refusals, seconds in ((1, 1), (2, 2), (4, 8), (6, 30), (2000, 30)):
            self.assertEqual(pause_after(0.0, refusals), seconds)
        self.assertEqual([pause_after(pause, 0) for pause in (0.0, 1.0, 30.0)], [0.05, 2.0, 5.0])

    def test_failures_of_requests_are_told_once_a_minute_and_not_while_the_server_is_not_followed(self) -> None:
        _, guard, lines = self.serve()
        core = guard._core
        core.failed("one")
        core.failed("another")
        core.problem, core._failure_told = "gone", float("-inf")
        core.failed("a third")
        self.assertEqual(lines.told, ["one"])

    def test_a_refusal_stands_over_429_and_ends_with_any_other_answer(self) -> None:
        _, guard, _ = self.serve()
        core = guard._core
        core._failed("x", 0.0, 429)
        self.assertFalse(core.is_refused)
        self.assertEqual([core._failed("x", 0.0, status) for status in (401, 429, 403)], [1.0, 2.0, 4.0])
        core._failed("x", 0.0, 502)
        self.assertFalse(core.is_refused)


if __name__ == "__main__":
    unittest.main()
