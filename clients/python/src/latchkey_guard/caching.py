"""The headers of an answer to an admitted request: its limits, and what keeps it out of shared caches (RFC 9111)."""

from __future__ import annotations

from typing import Iterable

from .types import Decision


def with_decision(headers: Iterable[tuple[str, str]], decision: Decision) -> list[tuple[str, str]]:
    """The headers of the API with those of the decision. ``Cache-Control`` of the API counts, unless the decision has
    one: a key in the URL is kept nowhere."""
    own = {name.lower() for name, _ in decision.headers}
    merged = [(name, value) for name, value in headers if name.lower() not in own]
    merged.extend(decision.headers)
    control = ",".join(value for name, value in merged if name.lower() == "cache-control").lower()
    if not control:
        merged.append(("cache-control", "private"))
    elif "no-store" in control:
        return merged
    varied = [part.strip().lower() for name, value in merged if name.lower() == "vary" for part in value.split(",")]
    missing = [name for name in decision.vary if name not in varied]
    if "*" not in varied and missing:
        merged.append(("vary", ", ".join(missing)))
    return merged
