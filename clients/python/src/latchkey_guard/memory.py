"""The memory of a session: entries by the digest of their credential, bounded, dropped by the subjects they follow."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from .judge import Entry


def digest_of(kind: str, text: str) -> bytes:
    """The name of a credential in memory: its text is kept nowhere."""
    return hashlib.sha256(f"{kind} {text}".encode("utf-8", "surrogatepass")).digest()


class Memory:
    """Not safe by itself: the session that owns it locks."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._by_subject: dict[str, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, digest: bytes) -> Entry | None:
        entry = self._entries.get(digest)
        if entry is not None:
            self._entries.move_to_end(digest)
        return entry

    def put(self, digest: bytes, entry: Entry) -> None:
        self._drop(digest)
        self._entries[digest] = entry
        for subject in entry.follows:
            self._by_subject.setdefault(subject, set()).add(digest)
        if len(self._entries) > self._most:
            self._drop(next(iter(self._entries)))

    def outdate(self, subject: str) -> None:
        """Drops every entry that follows from a subject; ``everything`` drops all."""
        if subject == "everything":
            self.clear()
        for digest in tuple(self._by_subject.get(subject, ())):
            self._drop(digest)

    def clear(self) -> None:
        self._entries.clear()
        self._by_subject.clear()

    def _drop(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        for subject in entry.follows:
            holders = self._by_subject.get(subject)
            if holders is not None:
                holders.discard(digest)
                if not holders:
                    del self._by_subject[subject]
