"""``3pid/bind`` and ``3pid/unbind``."""

from __future__ import annotations

from mxisd.clock import now
from mxisd.config.session import Bind as BindPolicy
from mxisd.config.session import SessionPolicy, Validation
from mxisd.config.session import Unbind as UnbindPolicy
from mxisd.matrix import signing
from mxisd.matrix.threepid import ThreePid
from mxisd.notify import SendFailed, UnbindNotice, UnbindWarning
from tests.make import result
from tests.web.app import DOMAIN, V1, V2, AppTestCase, Response

ALICE = "@alice:example.org"


class BindTests(AppTestCase):
    def bind_by(self, sid: str, user_id: str = ALICE, path: str = V1, token: str | None = None) -> Response:
        body = {"sid": sid, "client_secret": "secret", "mxid": user_id}
        return self.post(f"{path}/3pid/bind", json=body, token=token)

    def test_association(self) -> None:
        association = self.bind("Alice@Example.com")
        self.assertEqual(association["medium"], "email")
        self.assertEqual(association["address"], "alice@example.com")
        self.assertEqual(association["mxid"], ALICE)
        self.assertEqual(association["ts"], now(self.app.clock))
        signer = self.app.signer
        self.assertTrue(signing.verify(association, DOMAIN, signer.key_id, signer.public_key(signer.key_id) or ""))

    def test_homeserver_is_told(self) -> None:
        self.bind()
        self.assertEqual(self.deliveries.rung, 1)
        claimed = result(self.app.storage.outbox.claim("onbind", now(self.app.clock), 1, 9, {}, 9))
        self.assertEqual([(d.destination, d.user_id, d.token) for d in claimed.deliveries], [(DOMAIN, ALICE, None)])

    def test_v2_binds_the_owner_of_the_token_only(self) -> None:
        sid = self.validate()
        self.assert_error(self.bind_by(sid, path=V2, token=self.register("bobs")), 403, "M_UNAUTHORIZED")
        self.assertEqual(self.bind_by(sid, path=V2, token=self.register("alices")).status, 200)

    def test_without_validation(self) -> None:
        sid = self.open_session()
        self.assert_error(self.bind_by(sid), 400, "M_SESSION_NOT_VALIDATED")
        self.assert_error(self.bind_by("unknown"), 404, "M_NO_VALID_SESSION")
        self.submit(sid)
        self.app.clock.advance(24 * 3600)
        self.assert_error(self.bind_by(sid), 400, "M_SESSION_EXPIRED")

    def test_users(self) -> None:
        sid = self.validate()
        self.assert_error(self.bind_by(sid, "@alice:elsewhere.org"), 403, "M_FORBIDDEN")
        self.assert_error(self.bind_by(sid, "@alice:notexample.org"), 403, "M_FORBIDDEN")
        for user_id in ("alice", "@alice", "@:example.org", "@alice:exa mple.org", "#room:example.org", ""):
            self.assert_error(self.bind_by(sid, user_id), 400, "M_INVALID_PARAM")

    def test_binding_again_replaces(self) -> None:
        self.bind(secret="first")
        self.bind(user_id="@bob:example.org", secret="second")
        answer = self.get(f"{V1}/lookup", query={"medium": "email", "address": "alice@example.com"})
        self.assertEqual(answer.json["mxid"], "@bob:example.org")


class UnbindTests(AppTestCase):
    def unbind(
        self, sid: str | None = None, header: str | bytes = "", user_id: str = ALICE, email: str = "alice@example.com"
    ) -> Response:
        body: dict[str, object] = {"mxid": user_id, "threepid": {"medium": "email", "address": email}}
        if sid is not None:
            body |= {"sid": sid, "client_secret": "secret"}
        return self.post(f"{V2}/3pid/unbind", json=body, headers={"Authorization": header} if header else {})

    def is_bound(self) -> bool:
        return bool(self.get(f"{V1}/lookup", query={"medium": "email", "address": "alice@example.com"}).json)

    def setUp(self) -> None:
        super().setUp()
        self.bind(secret="other")

    def test_by_session(self) -> None:
        self.assertEqual(self.unbind(self.validate(), email="ALICE@example.com").json, {})
        self.assertFalse(self.is_bound())
        self.assertEqual(self.unbind(self.validate()).json, {}, "doing it again does no harm")

    def test_by_a_session_that_is_no_proof(self) -> None:
        self.assert_error(self.unbind("unknown"), 403, "M_FORBIDDEN")
        self.assert_error(self.unbind(self.open_session()), 403, "M_FORBIDDEN")
        self.assert_error(self.unbind(self.validate("bob@example.com")), 403, "M_FORBIDDEN")
        body = {
            "mxid": ALICE,
            "threepid": {"medium": "email", "address": "alice@example.com"},
            "sid": self.validate("carol@example.com"),
            "client_secret": "wrong",
        }
        self.assert_error(self.post(f"{V2}/3pid/unbind", json=body), 403, "M_FORBIDDEN")
        self.assertTrue(self.is_bound())

    def test_by_signature(self) -> None:
        self.assertEqual(self.unbind(header=f"X-Matrix {DOMAIN}").json, {})
        self.assertFalse(self.is_bound())

    def test_by_other_servers(self) -> None:
        for origin in ("evil.org", "notexample.org", "example.org.evil.org"):
            self.assert_error(self.unbind(header=f"X-Matrix {origin}"), 403, "M_FORBIDDEN")
            self.assert_error(self.unbind(header=f"X-Matrix {origin}", user_id=f"@alice:{origin}"), 403, "M_FORBIDDEN")
        self.assert_error(self.unbind(), 403, "M_FORBIDDEN")
        self.assert_error(self.unbind(header="Bearer token"), 403, "M_FORBIDDEN")
        self.assert_error(self.unbind(header=b"X-Matrix \xff"), 403, "M_FORBIDDEN")
        self.assertTrue(self.is_bound())

    def test_a_signature_needs_json(self) -> None:
        form = {"mxid": ALICE, "threepid": "x"}
        answer = self.post(f"{V2}/3pid/unbind", form=form, headers={"Authorization": f"X-Matrix {DOMAIN}"})
        self.assertEqual(answer.status, 400)

    def warnings(self) -> list[ThreePid]:
        return [message.threepid for message in self.app.mailbox.messages if isinstance(message, UnbindWarning)]

    def test_the_owner_is_warned_once_a_day(self) -> None:
        for _ in range(3):
            self.unbind("unknown")
            self.unbind(header="X-Matrix evil.org")
        self.assertEqual(self.warnings(), [("email", "alice@example.com")])
        self.app.clock.advance(24 * 3600)
        self.unbind("unknown")
        self.assertEqual(len(self.warnings()), 2)

    def test_nobody_is_warned_of_what_is_not_bound(self) -> None:
        self.unbind("unknown", email="stranger@example.com")
        self.unbind("unknown", user_id="@bob:example.org")
        self.assertEqual(self.warnings(), [])

    def test_a_mail_server_that_is_away_changes_nothing(self) -> None:
        self.app.mailbox.failure = SendFailed(permanent=False, reason="away")
        self.assert_error(self.unbind("unknown"), 403, "M_FORBIDDEN")

    def test_the_owner_hears_of_an_unbind_by_the_homeserver(self) -> None:
        self.unbind(header=f"X-Matrix {DOMAIN}")
        self.assertIsInstance(self.app.mailbox.messages[-1], UnbindNotice)

    def test_another_users_binding_stays(self) -> None:
        self.assertEqual(self.unbind(self.validate(), user_id="@bob:example.org").json, {})
        self.assertTrue(self.is_bound())


class SwitchedOffTests(AppTestCase):
    session_policy = SessionPolicy(
        bind=BindPolicy(domains=(DOMAIN,)), unbind=UnbindPolicy(enabled=False), validation=Validation(enabled=False)
    )

    def test_unbind(self) -> None:
        body = {"mxid": ALICE, "threepid": {"medium": "email", "address": "alice@example.com"}}
        headers = {"Authorization": f"X-Matrix {DOMAIN}"}
        # Homeservers take 404 for "not supported", and 403 for a failure: accounts could not be deactivated.
        self.assert_error(self.post(f"{V2}/3pid/unbind", json=body, headers=headers), 404, "M_UNRECOGNIZED")
        session = body | {"sid": "x", "client_secret": "secret"}
        self.assert_error(self.post(f"{V2}/3pid/unbind", json=session), 404, "M_UNRECOGNIZED")

    def test_validation(self) -> None:
        body = {"client_secret": "secret", "email": "alice@example.com", "send_attempt": 1}
        self.assert_error(self.post(f"{V1}/validate/email/requestToken", json=body), 403, "M_FORBIDDEN")
        self.assertEqual(self.app.mailbox.messages, [])


class AnyDomainTests(AppTestCase):
    session_policy = SessionPolicy(bind=BindPolicy(domains=("*",)))

    def test_users_of_any_server_can_be_bound(self) -> None:
        self.assertEqual(self.bind(user_id="@alice:elsewhere.org")["mxid"], "@alice:elsewhere.org")
