"""Calls that were admitted from memory, and their reports: numbered, and sent again until they are answered."""

from __future__ import annotations

import threading
import time
from typing import Any

from .session import Session

_MOST_IN_REPORT = 10_000
_MOST_COUNTED = 200_000


def day_of(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))


class Usage:
    """Counts by consumer and day: of a key, or of what a person has allowed a client.

    A report is of one session: ``begin`` starts the numbers again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._session: Session | None = None
        self._sequence = 0
        self._report: dict[tuple[str, str], int] | None = None
        #: Calls that were counted and could not be reported.
        self.lost = 0

    def count(self, consumer: str, now: float) -> None:
        at = (consumer, day_of(now))
        with self._lock:
            if at not in self._counts and len(self._counts) >= _MOST_COUNTED:
                self.lost += 1
            else:
                self._counts[at] = self._counts.get(at, 0) + 1

    def begin(self, session: Session) -> None:
        """Another session. A report that the last one did not answer is lost, because it may have been counted."""
        with self._lock:
            self.lost += sum((self._report or {}).values())
            self._session, self._sequence, self._report = session, 0, None

    def report(self, now: float) -> tuple[Session, dict[str, Any]] | None:
        """The report to send: the last one, until it is ``done``; None: there is nothing that may be reported."""
        with self._lock:
            session = self._session
            if session is None:
                return None
            if self._report is None:
                self._report = self._next(session, now) or None
                if self._report is None:
                    return None
                self._sequence += 1
            entries = [
                {"key": consumer, "calls": calls, "day": day} for (consumer, day), calls in self._report.items()
            ]
            return session, {"sequence": self._sequence, "entries": entries}

    def _next(self, session: Session, now: float) -> dict[tuple[str, str], int]:
        days = (day_of(now), day_of(now - 86_400))
        report: dict[tuple[str, str], int] = {}
        for consumer, day in tuple(self._counts):
            if day not in days:
                self.lost += self._counts.pop((consumer, day))
            elif consumer in session.asked_about and len(report) < _MOST_IN_REPORT:
                report[(consumer, day)] = self._counts.pop((consumer, day))
        return report

    def done(self, session: Session, was_counted: bool) -> None:
        """The report was answered. Not counted: the server has refused all of it, and its number is still free."""
        with self._lock:
            if session is not self._session or self._report is None:
                return
            if not was_counted:
                self._sequence -= 1
                self.lost += sum(self._report.values())
            self._report = None
