"""Guard a Python API with Latchkey: keys and tokens are decided from memory, revocations hold on the next request."""

from .guard import Guard
from .rules import Rule
from .types import Decision, GuardError, Needs, Principal, Request

__all__ = ["Decision", "Guard", "GuardError", "Needs", "Principal", "Request", "Rule"]
__version__ = "0.1.0"
