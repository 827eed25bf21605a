"""A guard within one process: its session, the thread that polls, the thread that reports, and its questions."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from .connection import Connection, Pool, Repeat, Server, Unreachable
from .judge import CLOCK_TOLERANCE
from .session import Moment, Resource, Session
from .usage import Usage

log = logging.getLogger("latchkey_guard")

_REPORT_EVERY = 1.0
_LONGEST_PAUSE = 5.0

#: Seconds between two attempts of a guard that is refused: so few leave the limit of failed authentications to others.
_SHORTEST_REFUSED = 1.0
_LONGEST_REFUSED = 30.0

#: Seconds within which one failure of requests is told, whatever becomes of the others.
_FAILURES_PER = 60.0


@dataclass(frozen=True)
class Options:
    """``timeout``: seconds for each question to the server. ``session``: the class of sessions."""

    server: Server
    resource: str
    most_entries: int
    timeout: float
    name: str
    session: type[Session] = Session


class Core:
    """Made anew in each process: threads, locks and connections do not survive a fork."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.pool = Pool(options.server)
        self.usage = Usage()
        #: None: none is open.
        self.session: Session | None = None
        #: As it was last described; None: no session was opened yet.
        self.resource: Resource | None = None
        #: What keeps it from its server, for people; None: nothing.
        self.problem: str | None = None
        #: The answers, without a break up to now, that refused this guard.
        self._refusals = 0
        self._failure_told = -math.inf
        self._is_clock_told = False
        self._poll_connection = Connection(options.server)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def start(self) -> None:
        """Starts the threads, once. Does not wait."""
        if self._threads or self._stopping.is_set():
            return
        with self._starting:
            if self._threads or self._stopping.is_set():
                return
            self._threads = [
                threading.Thread(target=work, name=f"latchkey-guard-{name}", daemon=True)
                for name, work in (("poll", self._run), ("usage", self._report))
            ]
            for thread in self._threads:
                thread.start()

    def wait_until(self, what: Any, timeout: float) -> bool:
        """Waits until ``what()`` holds, for ``timeout`` seconds at most. Whether it does."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: what() or self._stopping.is_set(), timeout)) and bool(what())

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Stops to answer from memory, reports the last calls, and ends the session. Waits for some seconds at most."""
        with self._starting:
            self._stopping.set()
        if self.session is not None:
            self.session.end()
        self._tell()
        self._poll_connection.interrupt()
        for thread in self._threads:
            thread.join(self.options.timeout)
        # It may have been opened just now.
        session, self.session = self.session, None
        if session is not None:
            session.end()
            self._send_report()
            self._leave(session)
        self._poll_connection.drop()
        self.pool.close()

    def ask(self, path: str, body: Any, repeat: Repeat) -> tuple[int, Any]:
        """A question within ``timeout``. Raises ``Unreachable``."""
        return self.pool.ask("POST", path, body, self.options.timeout, repeat)

    @property
    def is_refused(self) -> bool:
        """Whether the server refuses this guard: nothing is asked until another answer. Rule 12 of
        docs/remote-guard.md."""
        return self._refusals > 0

    def refused(self, status: int) -> None:
        """Takes the status of an answer to a question of a request."""
        if status in _REFUSALS and self._refusals == 0:
            self._refusals = 1

    def failed(self, problem: str) -> None:
        """A request or a report failed: told once a minute, unless the server is not followed anyway."""
        now = time.monotonic()
        if self.problem is None and now >= self._failure_told + _FAILURES_PER:
            self._failure_told = now
            log.error("%s", problem)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause * random.uniform(0.5, 1.0)):
            try:
                pause = self._step(pause)
            except Exception as error:
                # What is unreadable is no answer; the text of an error may quote it.
                pause = self._failed(f"an unreadable answer: {type(error).__name__}", pause)

    def _step(self, pause: float) -> float:
        """Opens a session or polls once. The seconds to pause before the next step."""
        session = self.session
        if session is None or session.has_ended:
            return self._open(pause)
        sent = Moment.now()
        timeout = max(2 * session.lease / 1000, self.options.timeout)
        try:
            status, news = self._poll_connection.ask(
                "POST", f"/guard/sessions/{session.id}/poll",
                {"applied": session.applied, "counted": session.counted}, timeout
            )
        except Unreachable as error:
            return self._failed(str(error), pause)
        if status != 200:
            if status in (401, 403, 404, 410):
                session.end()
            return self._failed(f"the poll was answered with {status}{_code(news)}", pause, status)
        goes_on = session.apply(news, sent)
        self._followed()
        if not goes_on:
            self._send_report()
            self._leave(session)
            return 0.0
        # A server that answers at once without news would be asked without pause.
        is_held = news["changes"] or time.monotonic() - sent.monotonic > 0.01
        return 0.0 if is_held else 0.02

    def _followed(self) -> None:
        self._refusals = 0
        if self.problem is not None:
            self.problem = None
            log.warning("the guard follows its authorization server again")
        self._tell()

    def _failed(self, problem: str, pause: float, status: int = 0) -> float:
        """``status``: of the answer; 0: there was none. The seconds to pause before the next step."""
        session = self.session
        if session is not None:
            session.distrust()
        if self.problem != problem and not self._stopping.is_set():
            self.problem = problem
            log.warning("the guard has no trust: %s", problem)
        # 429 is what too many refused attempts get.
        is_refusal = status in _REFUSALS or (self.is_refused and status == 429)
        self._refusals = self._refusals + 1 if is_refusal else 0
        self._tell()
        return pause_after(pause, self._refusals)

    def _open(self, pause: float) -> float:
        options = self.options
        body = {"resource": options.resource, "guard": options.name, "templates": True}
        asked = time.time()
        try:
            status, opened = self._poll_connection.ask("POST", "/guard/sessions", body, options.timeout)
        except Unreachable as error:
            return self._failed(str(error), pause)
        if status != 201:
            return max(0.5, self._failed(f"no session was opened: {status}{_code(opened)}", pause, status))
        self._note_clock(clock_problem(self._poll_connection.date, asked, time.time()))
        session = options.session(opened, options.most_entries)
        self.usage.begin(session)
        self.resource = session.resource
        self.session = session
        log.info("the guard has session %s", session.id)
        return 0.0

    def _note_clock(self, problem: str | None) -> None:
        """Looked at with each session; told once until the clock is right again."""
        if problem is not None and not self._is_clock_told:
            log.warning("%s", problem)
        self._is_clock_told = problem is not None

    def _leave(self, session: Session) -> None:
        try:
            self.pool.ask("DELETE", f"/guard/sessions/{session.id}", None, self.options.timeout, "always")
        except Unreachable:
            # Changes wait for it until its lease ends.
            log.info("session %s could not be ended", session.id)

    def _report(self) -> None:
        while not self._stopping.wait(_REPORT_EVERY):
            try:
                self._send_report()
            except Exception as error:
                self.failed(f"the guard's report failed: {type(error).__name__}")

    def _send_report(self) -> None:
        due = self.usage.report(time.time())
        if due is None:
            return
        session, report = due
        try:
            status, answer = self.ask(f"/guard/sessions/{session.id}/usage", report, "always")
        except Unreachable:
            return
        if status == 204:
            self.usage.done(session, True)
        elif status in (400, 409):
            log.error("the server refused a report of calls: %s%s", status, _code(answer))
            self.usage.done(session, False)
            if status == 409:
                session.end()


#: Statuses that refuse the guard: of a wrong secret, and of a client that may not guard the resource.
_REFUSALS = (401, 403)


def pause_after(pause: float, refusals: int) -> float:
    """The seconds after a failure behind a pause, before chance takes up to half of them away."""
    if refusals > 0:
        return min(_LONGEST_REFUSED, _SHORTEST_REFUSED * 2.0 ** min(refusals - 1, 10))
    return min(_LONGEST_PAUSE, max(0.05, pause * 2))


def clock_problem(date: str | None, asked: float, answered: float) -> str | None:
    """What is wrong with the clock of a guard, by the Date of an answer to a request; None: nothing that can be told.
    The server read its clock between ``asked`` and ``answered``, and told whole seconds."""
    try:
        told = parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return None
    behind, ahead = math.floor(told - answered), math.floor(asked - told) - 1
    if behind > CLOCK_TOLERANCE:
        return (f"the clock of this guard is {behind} s behind that of its authorization server: good tokens are "
                "refused as not valid yet (malformed). Set both clocks, by NTP.")
    if ahead > CLOCK_TOLERANCE:
        return (f"the clock of this guard is {ahead} s ahead of that of its authorization server: good credentials are "
                "refused as expired. Set both clocks, by NTP.")
    return None


def _code(answer: Any) -> str:
    """The code of an error, for people: never its text, which may quote the question."""
    code = answer.get("code") if isinstance(answer, dict) else None
    return f" {code}" if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum() else ""
