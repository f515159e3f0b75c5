"""``lookup``, ``bulk_lookup``, ``hash_details``."""

from __future__ import annotations

from mxisd.clock import now
from mxisd.matrix import signing
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.records import Pepper
from mxisd.web.identity.lookup import PORTION
from tests.make import result
from tests.web.app import DOMAIN, V1, V2, AppTestCase


class V1LookupTests(AppTestCase):
    def test_unknown(self) -> None:
        answer = self.get(f"{V1}/lookup", query={"medium": "email", "address": "nobody@example.com"})
        self.assertEqual((answer.status, answer.json), (200, {}))

    def test_known(self) -> None:
        bound = self.bind("Strauß@Example.com")
        for spelling in ("strauss@example.com", "STRAUSS@example.com", "Strauß@Example.com"):
            answer = self.get(f"{V1}/lookup", query={"medium": "email", "address": spelling})
            self.assertEqual(answer.json, bound)
        signer = self.app.signer
        self.assertTrue(signing.verify(bound, DOMAIN, signer.key_id, signer.public_key(signer.key_id) or ""))
        self.assertEqual(bound["mxid"], "@alice:example.org")
        self.assertEqual(bound["address"], "strauss@example.com")
        self.assertLessEqual(bound["not_before"], now(self.app.clock))
        self.assertGreater(bound["not_after"], now(self.app.clock))

    def test_either_spelling_of_a_domain(self) -> None:
        bound = self.bind("Anna@xn--bcher-kva.example")
        for spelling in ("anna@bücher.example", "anna@BÜCHER.example", "anna@xn--bcher-kva.example"):
            answer = self.get(f"{V1}/lookup", query={"medium": "email", "address": spelling})
            self.assertEqual(answer.json, bound)
        self.assertEqual(self.get(f"{V1}/lookup", query={"medium": "email", "address": "anna@bucher.example"}).json, {})

    def test_bulk(self) -> None:
        self.bind("a@example.com")
        self.bind("b@example.com")
        asked = [["email", "A@example.com"], ["email", "x@example.com"], ["email", "b@example.com"], ["msisdn", "123"]]
        answer = self.post(f"{V1}/bulk_lookup", json={"threepids": asked})
        self.assertEqual(
            answer.json,
            {
                "threepids": [
                    ["email", "A@example.com", "@alice:example.org"],
                    ["email", "b@example.com", "@alice:example.org"],
                ]
            },
        )

    def test_many_are_read_in_portions(self) -> None:
        """Whatever domains they have, nobody else waits for long."""
        asked = [["email", f"{'a' * 50}@bücher{number}.example"] for number in range(3 * PORTION)]
        pending = self.begin("POST", f"{V1}/bulk_lookup", json={"threepids": asked})
        for _ in range(3):
            self.assertNoResult(pending)
            self.app.clock.advance(0)
        self.assertEqual(self.response(pending).json, {"threepids": []})

    def test_ill_formed_entries_match_nothing(self) -> None:
        asked = [
            ["", ""],
            ["email", ""],
            ["email", "no address"],
            ["email", "a\x00b@example.com"],
            ["\u0000", "\u0000"],
        ]
        self.assertEqual(self.post(f"{V1}/bulk_lookup", json={"threepids": asked}).json, {"threepids": []})


class V2LookupTests(AppTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.token = self.register()

    def lookup(self, addresses: list[str], algorithm: str = "sha256", pepper: str | None = None) -> dict[str, str]:
        answer = self.post(
            f"{V2}/lookup",
            json={
                "addresses": addresses,
                "algorithm": algorithm,
                "pepper": self.pepper() if pepper is None else pepper,
            },
            token=self.token,
        )
        self.assertEqual(answer.status, 200, answer.body)
        mappings: dict[str, str] = answer.json["mappings"]
        return mappings

    def pepper(self) -> str:
        return str(self.get(f"{V2}/hash_details", token=self.token).json["lookup_pepper"])

    def test_details(self) -> None:
        details = self.get(f"{V2}/hash_details", token=self.token).json
        self.assertIn("sha256", details["algorithms"])
        self.assertRegex(details["lookup_pepper"], r"^[0-9a-zA-Z]{20}$")
        self.assertEqual(self.pepper(), details["lookup_pepper"])

    def test_vectors_of_the_specification(self) -> None:
        hashes = self.app.storage.hashes
        result(hashes.prepare(Pepper(pepper="matrixrocks", made_at=0), after=None))
        result(hashes.publish("matrixrocks", keep=2))
        for email in ("alice@example.com", "bob@example.com"):
            self.bind(email)
        known = [
            "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc",
            "LJwSazmv46n0hlMlsb_iYxI0_HXEqy_yj6Jm636cdT8",
        ]
        self.assertEqual(self.lookup([*known, "x" * 43]), dict.fromkeys(known, "@alice:example.org"))
        self.assertEqual(
            digest(ThreePid("msisdn", "18005552067"), "matrixrocks"), "nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I"
        )

    def test_bound_before_and_after_the_pepper(self) -> None:
        self.bind("early@example.com")
        pepper = self.pepper()
        self.bind("late@example.com")
        hashes = [digest(ThreePid("email", f"{when}@example.com"), pepper) for when in ("early", "late")]
        self.assertEqual(set(self.lookup(hashes)), set(hashes))

    def test_either_spelling_of_a_domain(self) -> None:
        both = [ThreePid("email", f"anna@{domain}") for domain in ("bücher.example", "xn--bcher-kva.example")]
        for secret, first in zip("ab", both, strict=True):
            self.bind(first.address, secret=secret)
            hashes = [digest(each, self.pepper()) for each in both]
            self.assertEqual(self.lookup(hashes), dict.fromkeys(hashes, "@alice:example.org"))
            plain = [f"{each.address} email" for each in both]
            self.assertEqual(self.lookup(plain, "none"), dict.fromkeys(plain, "@alice:example.org"))

    def test_plain(self) -> None:
        self.bind("a@example.com")
        ill_formed = ["", " ", "a@example.com", "email a@example.com", "a@example.com  email", "\x00 email"]
        self.assertEqual(
            self.lookup(["A@example.com email", "x@example.com email", *ill_formed], "none"),
            {"A@example.com email": "@alice:example.org"},
        )

    def test_wrong_pepper(self) -> None:
        for algorithm in ("sha256", "none"):
            body: dict[str, object] = {"addresses": [], "algorithm": algorithm, "pepper": "wrong"}
            answer = self.post(f"{V2}/lookup", json=body, token=self.token)
            self.assert_error(answer, 400, "M_INVALID_PEPPER")
            self.assertEqual(answer.json["lookup_pepper"], self.pepper())
            self.assertEqual(answer.json["algorithm"], "sha256")

    def test_pepper_is_required(self) -> None:
        answer = self.post(f"{V2}/lookup", json={"addresses": [], "algorithm": "none"}, token=self.token)
        self.assert_error(answer, 400, "M_MISSING_PARAMS")

    def test_unknown_algorithm(self) -> None:
        body = {"addresses": [], "algorithm": "md5", "pepper": self.pepper()}
        self.assert_error(self.post(f"{V2}/lookup", json=body, token=self.token), 400, "M_INVALID_PARAM")

    def test_too_many(self) -> None:
        body = {"addresses": [""] * 10_001, "algorithm": "none", "pepper": self.pepper()}
        self.assert_error(self.post(f"{V2}/lookup", json=body, token=self.token), 400, "M_INVALID_PARAM")

    def test_unbound_is_found_no_more(self) -> None:
        self.bind("a@example.com", secret="s")
        digest_ = digest(ThreePid("email", "a@example.com"), self.pepper())
        self.assertEqual(len(self.lookup([digest_])), 1)
        sid = self.validate("a@example.com", "t")
        body = {
            "sid": sid,
            "client_secret": "t",
            "mxid": "@alice:example.org",
            "threepid": {"medium": "email", "address": "A@example.com"},
        }
        self.assertEqual(self.post(f"{V2}/3pid/unbind", json=body).json, {})
        self.assertEqual(self.lookup([digest_]), {})
        self.assertEqual(self.lookup(["a@example.com email"], "none"), {})
