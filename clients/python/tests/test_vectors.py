"""The answers of the server's own judge, given by this guard over real sockets, looked up and from memory."""

from __future__ import annotations

import json
import unittest
from typing import Any

from latchkey_guard import Decision, Guard, Needs, Request
from latchkey_guard.limits import Limits

from .stub import VECTORS, Reply, Stub, answer


def request_of(case: dict[str, Any]) -> Request:
    raw = case["request"]
    path, _, query = raw["target"].partition("?")
    headers = [tuple(header) for header in raw["headers"]]
    return Request(raw["method"], path, query, headers, raw["address"], raw["tls"], raw["requestId"])


def needs_of(case: dict[str, Any]) -> Needs:
    raw = case["needs"]
    thing = raw["object"]
    return Needs(
        scopes=tuple(raw["scopes"]), api_key_only=raw["apiKeyOnly"], organization=raw["organization"],
        feature=raw["feature"], object=thing and (thing["type"], thing["id"]), credits=raw["credits"],
    )


class VectorTest(unittest.TestCase):
    """One server for each resource; the case under way says what its look-ups answer."""

    def setUp(self) -> None:
        self.case: dict[str, Any] = {}
        self.kept = False
        self.looked_up: list[Any] = []
        self.verified: list[Any] = []

    def lookup(self, body: Any) -> Reply:
        self.looked_up.append({"credential": body["credential"], "kind": body["kind"]})
        if self.case["refusal"] is not None:
            refusal = {**self.case["refusal"], "subject": None, "organizationId": None}
            return answer(200, {"position": None, "refusal": refusal})
        if self.case["entry"] is None:
            return answer(503, {"error": "no", "code": "STORAGE_UNAVAILABLE"})
        return answer(200, {"position": 0 if self.kept else None, "entry": self.case["entry"]})

    def verify(self, body: Any) -> Reply:
        self.verified.append(body)
        if self.case["entry"] is None:
            return answer(503, {"error": "no", "code": "STORAGE_UNAVAILABLE"})
        return answer(200, {
            "allowed": False, "reason": "asked", "refusal": {"status": 418, "headers": {"x-asked": "yes"}, "body": "{}"}
        })

    def decide(self, guard: Guard, case: dict[str, Any]) -> Decision:
        self.case = case
        self.looked_up.clear()
        self.verified.clear()
        session = guard._core.session
        assert session is not None
        session.limits = Limits()
        guard.environment = case["needs"]["environment"]
        request, needs = request_of(case), needs_of(case)
        for now in case["earlier"]:
            guard._clock = lambda: now
            guard.decide(request, needs)
        self.verified.clear()
        guard._clock = lambda: case["now"]
        return guard.decide(request, needs)

    def check(self, case: dict[str, Any], decision: Decision) -> None:
        expected = case["answer"]
        if self.looked_up:
            self.assertEqual(self.looked_up[0], case["lookup"])
        if expected.get("asks"):
            self.assertEqual((decision.status, decision.headers), (418, (("x-asked", "yes"),)))
            body = self.verified[0]
            self.assertEqual(body["credential"], case["lookup"]["credential"])
            self.assertEqual(body["resource"], VECTORS["resources"][case["resource"]]["id"])
            needs = case["needs"]
            self.assertEqual(
                (body["scopes"], body["credits"], body.get("organization"), body.get("object")),
                (needs["scopes"], needs["credits"], needs["organization"], needs["object"])
            )
        elif "admitted" in expected:
            self.assertTrue(decision.allowed, decision)
            assert decision.principal is not None
            self.assertEqual(decision.principal.raw, expected["admitted"])
            self.assertEqual(dict(decision.headers), expected["headers"])
        else:
            self.assertFalse(decision.allowed)
            self.assertEqual(decision.status, expected["status"])
            self.assertEqual(dict(decision.headers), expected["headers"])
            self.assertEqual(decision.body.decode(), expected["body"])
        if not expected.get("asks") and expected.get("status") != 503:
            self.assertEqual(self.verified, [], "it asks only where it has to")

    def test_every_case_of_every_resource(self) -> None:
        seen = 0
        for name, resource in VECTORS["resources"].items():
            stub = Stub(resource, lease=60_000)
            stub.on.update(lookup=self.lookup, verify=self.verify)
            guard = Guard(stub.url, "cli_test", "secret", resource["identifier"])
            try:
                self.assertTrue(guard.start(10))
                for case in VECTORS["cases"]:
                    if case["resource"] != name:
                        continue
                    for self.kept in (False, True):
                        with self.subTest(resource=name, case=case["name"], kept=self.kept):
                            self.check(case, self.decide(guard, case))
                            if self.kept and case["entry"] is not None:
                                # Once more: from memory now.
                                guard._core.session.limits = Limits()
                                self.check(case, self.decide(guard, case))
                                self.assertEqual(self.looked_up, [])
                        session = guard._core.session
                        assert session is not None
                        session._memory.clear()
                        seen += 1
            finally:
                guard.close()
                stub.close()
        self.assertEqual(seen, 2 * len(VECTORS["cases"]))
        self.assertGreater(seen, 700)

    def test_no_answer_holds_more_than_a_template(self) -> None:
        self.assertNotIn("{scope}", json.dumps([
            case["answer"] for case in VECTORS["cases"]
            if "marks" not in case["name"] and "scopes with" not in case["name"]
        ]))


if __name__ == "__main__":
    unittest.main()
