"""Which needs a request has: rules by method and path, for middleware in front of a whole API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, Sequence

from .types import Needs

_parameter = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True)
class Rule:
    """What a route needs.

    ``methods``: such as ``"GET"`` or ``"GET,POST"``; ``"*"``: every one. GET includes HEAD. ``path``: as the API
    matches it, decoded, with ``{name}`` for one segment and ``{name:path}`` for the rest. ``organization``: the
    parameter that holds an organization's id. ``object``: a type, and the parameter that holds the object's id.
    ``public``: no credential is needed. Raises ``ValueError`` for a parameter that the path does not have.
    """

    methods: str
    path: str
    scopes: Sequence[str] = ()
    api_key_only: bool = False
    organization: str | None = None
    feature: str | None = None
    object: tuple[str, str] | None = None
    credits: int = 0
    public: bool = False
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False, default=re.compile(""))

    def __post_init__(self) -> None:
        if isinstance(self.scopes, str):
            raise ValueError(f"scopes is a text, {self.scopes!r}: write [{self.scopes!r}]")
        Needs(tuple(self.scopes), credits=self.credits)
        names = [found[1] for found in _parameter.finditer(self.path)]
        for name in (self.organization, self.object and self.object[1]):
            if name is not None and name not in names:
                raise ValueError(f"the rule for {self.path} has no parameter {{{name}}}")
        parts = _parameter.split(self.path)
        pattern = re.escape(parts[0])
        for name, rest, text in zip(parts[1::3], parts[2::3], parts[3::3]):
            pattern += f"(?P<{name}>{'.*' if rest else '[^/]+'})" + re.escape(text)
        object.__setattr__(self, "_pattern", re.compile(pattern, re.DOTALL))

    def needs(self, method: str, path: str) -> Needs | None:
        """The needs of a request that the rule is about; None: it is about others."""
        methods = [each.strip().upper() for each in self.methods.split(",")]
        if "*" not in methods and method not in methods and not (method == "HEAD" and "GET" in methods):
            return None
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        return Needs(
            scopes=tuple(self.scopes),
            api_key_only=self.api_key_only,
            organization=self.organization and found[self.organization],
            feature=self.feature,
            object=None if self.object is None else (self.object[0], found[self.object[1]]),
            credits=self.credits,
        )


class Rules:
    """The first rule that a request matches counts. A request that none matches is answered 404: a forgotten route is
    closed."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        if not self._rules:
            raise ValueError("a guard without rules would refuse everything: name at least one Rule")

    def find(self, method: str, path: str) -> tuple[Rule, Needs] | None:
        for rule in self._rules:
            needs = rule.needs(method.upper(), path)
            if needs is not None:
                return rule, needs
        return None


#: The answer to a request that no rule is about.
NOT_FOUND_HEADERS = (("content-type", "application/json; charset=utf-8"), ("cache-control", "no-store"))
NOT_FOUND_BODY = b'{"error":"Not found.","code":"NOT_FOUND"}'
