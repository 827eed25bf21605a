"""Calls per minute: leaky buckets, and the fields that tell their state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Mapping

# One call in the unit of the buckets: a bucket of n calls leaks n units in a millisecond, so all numbers are whole.
_CALL = 60_000

# Holders whose counts elsewhere are remembered; the server ends a session that has more.
_MOST_HOLDERS = 500_000

# Milliseconds by which calls may arrive out of order. A larger step back means that the clock was set back.
_DISORDER = 10_000


@dataclass
class _Bucket:
    used: int
    at: int
    per_minute: int

    def leak(self, per_minute: int, now: int) -> None:
        if self.per_minute != per_minute:
            self.used = min(self.used, per_minute * _CALL)
        self.per_minute = per_minute
        self.used = max(0, self.used - max(0, now - self.at) * per_minute)
        if now > self.at or now < self.at - _DISORDER:
            self.at = now


@dataclass(frozen=True)
class State:
    """A limit as the caller is told: ``reset`` seconds until the quota, or until one call, is available."""

    policy: str
    quota: int
    remaining: int
    reset: int


@dataclass(frozen=True)
class Bound:
    """A limit of one holder. ``policy`` is ``minute`` or ``organization-minute``."""

    holder: str
    per_minute: int
    policy: str


@dataclass
class _Elsewhere:
    """Calls counted elsewhere: the greatest total that the server told, the part of it that is in the bucket, and the
    limit, None until an entry with it was found."""

    told: int = 0
    added: int = 0
    per_minute: int | None = None


class Limits:
    """Counts the calls of a session, and owes what the server says was counted elsewhere. At most ``buckets`` are kept; the one that was not used for longest empties."""

    def __init__(self, buckets: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._most = buckets
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._elsewhere: dict[str, _Elsewhere] = {}

    def take(self, bounds: tuple[Bound, ...], now: int) -> tuple[int | None, tuple[State, ...]]:
        """Takes one call of each, or none. The seconds to wait, None if it was taken, and the states."""
        states: list[State] = []
        taken: list[_Bucket] = []
        with self._lock:
            for bound in bounds:
                bucket = self._bucket(bound, now)
                excess = bucket.used + _CALL - bound.per_minute * _CALL
                if excess > 0:
                    states.append(_state(bound, bucket))
                    for each in taken:
                        each.used = max(0, each.used - _CALL)
                    return _seconds(excess, bound.per_minute), tuple(states)
                bucket.used += _CALL
                taken.append(bucket)
                states.append(_state(bound, bucket))
        return None, tuple(states)

    def found(self, bounds: tuple[Bound, ...], totals: Any, now: int) -> None:
        """An entry was handed out. Only from now on its limits are known. Raises for totals that are none."""
        totals = _totals(totals)
        with self._lock:
            for bound in bounds:
                known = self._elsewhere_of(bound.holder)
                if known is not None:
                    known.per_minute = bound.per_minute
                    self._owe(bound.holder, known, totals.get(bound.holder, 0), now)

    def hear(self, totals: Any, now: int) -> None:
        """Owes what the totals have more than those before: nothing is added twice, in whatever order they come. Raises
        for totals that are none."""
        totals = _totals(totals)
        with self._lock:
            for holder, total in totals.items():
                known = self._elsewhere_of(holder)
                if known is not None:
                    self._owe(holder, known, total, now)

    def _elsewhere_of(self, holder: str) -> _Elsewhere | None:
        known = self._elsewhere.get(holder)
        if known is None and len(self._elsewhere) < _MOST_HOLDERS:
            known = self._elsewhere[holder] = _Elsewhere()
        return known

    def _owe(self, holder: str, known: _Elsewhere, total: int, now: int) -> None:
        known.told = max(known.told, total)
        if known.per_minute is None or known.told == known.added:
            return
        bucket = self._bucket(Bound(holder, known.per_minute, "minute"), now)
        # A bucket holds twice its capacity at most: no count keeps a holder out for longer than a minute.
        room = max(0, (2 * known.per_minute * _CALL - bucket.used) // _CALL)
        bucket.used += min(known.told - known.added, room) * _CALL
        known.added = known.told

    def _bucket(self, bound: Bound, now: int) -> _Bucket:
        bucket = self._buckets.get(bound.holder)
        if bucket is None:
            bucket = self._buckets[bound.holder] = _Bucket(0, now, bound.per_minute)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(bound.holder)
        bucket.leak(bound.per_minute, now)
        return bucket


def _totals(value: Any) -> Mapping[str, int]:
    if not isinstance(value, dict) or not all(type(calls) is int and calls >= 0 for calls in value.values()):
        raise ValueError("counts are whole numbers from 0, by holder")
    return value


def _seconds(units: int, per_minute: int) -> int:
    return -(-(-(-units // per_minute)) // 1000)


def _state(bound: Bound, bucket: _Bucket) -> State:
    remaining = max(0, (bound.per_minute * _CALL - bucket.used) // _CALL)
    owed = bucket.used + _CALL - bound.per_minute * _CALL if remaining == 0 else bucket.used
    return State(bound.policy, bound.per_minute, remaining, _seconds(owed, bound.per_minute))


def rate_limit_headers(states: tuple[State, ...]) -> tuple[tuple[str, str], ...]:
    """The fields of draft-ietf-httpapi-ratelimit-headers-11; none without a limit."""
    if not states:
        return ()
    return (
        ("ratelimit-policy", ", ".join(f'"{state.policy}";q={state.quota};w=60' for state in states)),
        ("ratelimit", ", ".join(f'"{state.policy}";r={state.remaining};t={state.reset}' for state in states)),
    )
