"""The verdict on a request: what follows from an entry, from the needs of the route, and from one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Mapping

from .addresses import Network, is_within, read_address, read_networks
from .limits import Bound
from .presentation import Refusal
from .types import Needs, Principal, text, texts

#: Seconds by which a token may come from the future (RFC 7519 §4.1.4).
CLOCK_TOLERANCE = 15


@dataclass(frozen=True)
class Entry:
    """What a verdict on a credential follows from, until one of the subjects in ``follows`` changes.

    ``ends``: milliseconds; None: never. ``starts``: seconds. ``features`` None: the credential has no organization.
    ``consumer``: the id by which its calls are counted; None: they are not.
    """

    kind: str
    principal: Principal
    follows: tuple[str, ...]
    asks_each_time: bool
    has_policies: bool
    allowlist: tuple[Network, ...]
    has_allowlist: bool
    features: frozenset[str] | None
    ends: int | None
    end_reason: str
    starts: int | None
    consumer: str | None
    bounds: tuple[Bound, ...]

    @staticmethod
    def of(raw: Mapping[str, Any]) -> Entry:
        """Reads the entry of a look-up. Raises when it is none: what is not understood never lets a request pass."""
        facts = raw["facts"]
        kind = facts["kind"]
        principal = Principal.of(facts["principal"])
        allowlist = texts(facts["principal"]["allowlist"])
        organization = facts["organization"]
        if kind == "api_key":
            key = facts["key"]
            ends = None if key["expiresAt"] is None else _milliseconds(key["expiresAt"])
            end_reason = "expired" if key["rotatedTo"] is None else "rotated"
            starts, consumer = None, key
        elif kind == "access_token":
            claims = facts["claims"]
            ends, end_reason = _whole(claims["exp"]) * 1000, "expired"
            starts = max(_whole(claims["iat"]), _whole(claims.get("nbf", 0)))
            # What a person has allowed the client; a machine's own calls are not counted.
            consumer = facts.get("authorization")
        else:
            raise ValueError("an entry of an unknown kind")
        return Entry(
            kind=kind,
            principal=principal,
            follows=texts(raw["follows"]),
            asks_each_time=raw["asksEachTime"] is not False,
            has_policies=any(len(texts_or_records) > 0 for texts_or_records in facts["policies"]),
            allowlist=read_networks(allowlist),
            has_allowlist=len(allowlist) > 0,
            features=None if organization is None else frozenset(texts(organization["features"])),
            ends=ends,
            end_reason=end_reason,
            starts=starts,
            consumer=None if consumer is None else text(consumer["id"]),
            bounds=() if consumer is None else _bounds(consumer, organization, principal),
        )


def _bounds(consumer: Mapping[str, Any], organization: Mapping[str, Any], principal: Principal) -> tuple[Bound, ...]:
    bounds = []
    if consumer["callsPerMinute"] is not None:
        bounds.append(Bound(text(consumer["chainId"]), _whole(consumer["callsPerMinute"]), "minute"))
    if organization["callsPerMinute"] is not None:
        # The names of holders are the server's, which tells of their counts.
        holder = f"{principal.organization_id}:{principal.environment}"
        bounds.append(Bound(holder, _whole(organization["callsPerMinute"]), "organization-minute"))
    return tuple(bounds)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value


def _milliseconds(moment: str) -> int:
    read = datetime.fromisoformat(text(moment).replace("Z", "+00:00"))
    if read.tzinfo is None:
        raise ValueError("a moment without a zone")
    epoch = datetime.fromtimestamp(0, read.tzinfo)
    since = read - epoch
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


#: The guard cannot know: it asks.
ASKS = Refusal("asks", "none")


def judge(entry: Entry, needs: Needs, environment: str | None, address: str | None, now: int) -> Refusal | None:
    """The refusal, ``ASKS``, or None: nothing speaks against the call. The order of the checks is a contract."""
    reason = _against_credential(entry, address, now) or _against_place(entry, needs, environment)
    if reason is not None:
        return ASKS if reason == "asks" else Refusal(reason, entry.kind)
    if entry.has_policies:
        return ASKS
    if needs.object is not None and not entry.principal.may_touch(*needs.object):
        return Refusal("object_not_allowed", entry.kind)
    return ASKS if entry.asks_each_time or needs.credits > 0 else None


def _against_credential(entry: Entry, address: str | None, now: int) -> str | None:
    if entry.starts is not None and entry.starts > now // 1000 + CLOCK_TOLERANCE:
        return "malformed"
    if entry.ends is not None and entry.ends <= now:
        return entry.end_reason
    if entry.has_allowlist and not is_within(read_address(address), entry.allowlist):
        return "address_not_allowed"
    return None


def _against_place(entry: Entry, needs: Needs, environment: str | None) -> str | None:
    principal = entry.principal
    if environment is not None and principal.environment != environment:
        return "wrong_environment"
    if needs.organization is not None:
        if needs.organization not in principal.organizations:
            return "organization_not_found"
        if needs.organization != principal.organization_id:
            return "asks"
    if needs.feature is not None:
        if entry.features is None:
            return "organization_not_found"
        if needs.feature not in entry.features:
            return "feature_missing"
    if entry.kind != "api_key" and (needs.api_key_only or (needs.credits > 0 and entry.consumer is None)):
        return "api_key_required"
    return None if all(scope in principal.scopes for scope in needs.scopes) else "insufficient_scope"
