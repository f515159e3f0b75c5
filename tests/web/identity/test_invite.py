"""``store-invite`` and ``sign-ed25519``."""

from __future__ import annotations

from typing import Any

from msgspec import json

from mxisd.clock import now
from mxisd.invites.invites import SIGNERS
from mxisd.matrix import signing
from mxisd.matrix.threepid import email
from mxisd.policies.invite import Attempt
from mxisd.storage.records import Invite
from tests.make import invite, result, seeded
from tests.web.app import DOMAIN, PUBLIC_URL, V1, V2, AppTestCase, Response

ALICE = "@alice:example.org"
ROOM = "!room:example.org"
BOB = email("bob@example.com")


class StoreInviteTests(AppTestCase):
    def stored(self, token: str) -> Invite:
        invite = result(self.app.storage.invites.get(token))
        assert invite is not None
        return invite

    def test_of_fields_that_nobody_knows_few_are_kept(self) -> None:
        more = {"room_name": "n" * 5000, "a": "x" * 3000, "b": "x" * 3000, "c": "y" * 500}
        more |= dict.fromkeys(map(str, range(999)), "")
        self.assertEqual(self.invite(**more).status, 200)
        (kept,) = result(self.app.storage.invites.pending(BOB))
        self.assertEqual(kept.fields["room_name"], "n" * 5000)
        self.assertTrue({"a", "c"} <= set(kept.fields))
        self.assertNotIn("b", kept.fields)
        unknown = {name: value for name, value in kept.fields.items() if name != "room_name"}
        self.assertLessEqual(len(json.encode(unknown)), 4096)

    def test_answer(self) -> None:
        for path in (V1, V2):
            answer = self.post(
                f"{path}/store-invite",
                json={
                    "medium": "email",
                    "address": "Bob@Example.com",
                    "room_id": f"!{path}",
                    "sender": "@alice:example.org",
                    "room_name": "Ärger 🎉",
                    "org.example.extra": {"kept": [1]},
                },
                token=self.register(),
            ).json
            self.assertRegex(answer["token"], r"^[0-9a-zA-Z.=_-]{20,255}$")
            long_term, ephemeral = answer["public_keys"]
            self.assertEqual(long_term["public_key"], self.app.signer.public_key("ed25519:0"))
            self.assertEqual(long_term["key_validity_url"], f"{PUBLIC_URL}{path}/pubkey/isvalid")
            self.assertEqual(ephemeral["key_validity_url"], f"{PUBLIC_URL}{path}/pubkey/ephemeral/isvalid")
            self.assertNotEqual(ephemeral["public_key"], long_term["public_key"])
            self.assertEqual("public_key" in answer, path == V1)
            stored = self.stored(answer["token"])
            self.assertEqual(stored.threepid, ("email", "bob@example.com"))
            self.assertEqual(stored.fields, {"room_name": "Ärger 🎉", "org.example.extra": {"kept": [1]}})

    def test_display_name_shows_neither_side(self) -> None:
        for address in ("bob.builder@example.com", "a@b.c", "ab@cd.ef", "b@example.com"):
            shown = self.invite(address).json["display_name"]
            local, _, domain = address.partition("@")
            shown_local, at, shown_domain = shown.partition("@")
            self.assertEqual(at, "@")
            self.assertNotIn(local, shown_local)
            self.assertNotIn(domain, shown_domain)

    def test_message_is_queued(self) -> None:
        token = self.invite().json["token"]
        self.assertEqual(self.deliveries.rung, 1)
        [message] = result(self.app.storage.outbox.claim("message", now(self.app.clock), 1, 9, {}, 9)).deliveries
        self.assertEqual(message.token, token)

    def test_what_the_policy_forbids_is_neither_kept_nor_sent(self) -> None:
        self.assert_error(self.invite("Bob@Forbidden.example"), 403, "M_FORBIDDEN")
        self.assertEqual(self.deliveries.rung, 0)
        self.assertEqual(result(self.app.storage.invites.page(ended=False, offset=0, limit=9)), [])

    def test_known_address(self) -> None:
        self.bind("Bob@example.com", "@bob:example.org")
        answer = self.invite("bob@example.com")
        self.assert_error(answer, 400, "M_THREEPID_IN_USE")
        self.assertEqual(answer.json["mxid"], "@bob:example.org")

    def test_other_media(self) -> None:
        for medium in ("msisdn", "telex", ""):
            body = {"medium": medium, "address": "447700900001", "room_id": "!r", "sender": "@a:example.org"}
            self.assert_error(self.post(f"{V1}/store-invite", json=body), 400, "M_UNRECOGNIZED")

    def test_wrong_values(self) -> None:
        good = {"medium": "email", "address": "b@example.com", "room_id": "!r:example.org", "sender": "@a:example.org"}
        for wrong in (
            {"address": "none"},
            {"address": "b@example.com\r\nBcc: x@example.com"},
            {"room_id": ""},
            {"room_id": "room:example.org"},
            {"room_id": "!r oom"},
            {"sender": ""},
            {"sender": "alice"},
            {"sender": "@alice"},
            {"sender": "@alice:exa mple.org"},
        ):
            self.assertEqual(self.post(f"{V1}/store-invite", json=good | wrong).status, 400, wrong)
        self.assertEqual(result(self.app.storage.invites.page(ended=False, offset=0, limit=9)), [])

    def test_optional_fields_of_an_odd_type_are_left_out(self) -> None:
        """They come from the state of the room, which may be broken, and are no reason to refuse the invite."""
        odd: list[dict[str, Any]] = [
            {"room_avatar_url": 7},
            {"room_name": None},
            {"room_type": ["m.space"]},
            {"sender_avatar_url": {"url": "mxc://example.org/a"}},
            {"room_join_rules": True},
            {"sender_display_name": 1.5, "room_alias": []},
        ]
        for number, fields in enumerate(odd):
            body = {"medium": "email", "address": f"b{number}@example.com", "room_id": "!r:example.org"}
            answer = self.post(f"{V1}/store-invite", json={**body, "sender": "@a:example.org", "kept": 1, **fields})
            invite = result(self.app.storage.invites.get(answer.json["token"]))
            assert invite is not None
            self.assertEqual(invite.fields, {"kept": 1}, fields)

    def test_rooms_of_version_12_name_no_server(self) -> None:
        self.assertEqual(self.invite(room="!dHjXbS9mBQJ2H0b1bLbyBgNSZkrHqMvWWyKc3RBh9Ts").status, 200)

    def test_same_invite_again(self) -> None:
        first = self.invite().json
        self.assertEqual(self.invite("BOB@example.com").json, first)
        self.assertNotEqual(self.invite(room="!other:example.org").json["token"], first["token"])

    def test_either_spelling_of_a_domain_is_the_same_address(self) -> None:
        both = ("anna@bücher.example", "anna@xn--bcher-kva.example")
        first, second = (self.invite(address).json for address in both)
        self.assertEqual(first, second)
        self.assertEqual(first["display_name"], "an…@büc…")
        self.bind(both[1], "@anna:example.org")
        self.assertEqual(self.stored(first["token"]).ended, "bound")
        for address in both:
            self.assert_error(self.invite(address, room="!other:example.org"), 400, "M_THREEPID_IN_USE")

    def test_the_domain_of_somebody_else_is_not(self) -> None:
        token = self.invite("anna@straße.example").json["token"]
        self.bind("anna@strasse.example", "@eve:example.org")
        self.assertEqual(self.stored(token).threepid.address, "anna@xn--strae-oqa.example")
        self.assertEqual(self.stored(token).ended, None)

    def test_binding_ends_the_invites_of_that_address(self) -> None:
        tokens = {self.invite(room=room).json["token"] for room in ("!one", "!two")}
        other = self.invite("carol@example.com").json["token"]
        self.bind("bob@example.com", "@bob:example.org")
        deliveries = result(self.app.storage.outbox.claim("onbind", now(self.app.clock), 1, 9, {}, 9)).deliveries
        self.assertEqual({delivery.token for delivery in deliveries}, tokens)
        self.assertEqual(self.stored(other).ended, None)


class SenderTests(AppTestCase):
    """Who may say that an invite is whose."""

    def store(self, path: str, sender: str, token: str | None = None, **more: str) -> Response:
        body = {"medium": "email", "address": "bob@example.com", "room_id": ROOM, "sender": sender, **more}
        return self.post(f"{path}/store-invite", json=body, token=token)

    def pending(self) -> list[Invite]:
        return result(self.app.storage.invites.pending(BOB))

    def note(self, sender: str = ALICE, room: str | None = ROOM, address: str = "bob@example.com") -> None:
        result(self.app.proofs.note_invite(Attempt(sender, room, email(address))))

    def test_nobody_invites_for_another(self) -> None:
        alice, eve = self.register(), self.register("eves")
        for path, sender, token in [
            (V2, "@bob:example.org", alice),
            (V2, "@Alice:example.org", alice),
            (V2, "@alice:example.org:443", alice),
            (V2, ALICE, eve),
            (V2, "@alice:evil.example", eve),
            (V1, "@eve:evil.example", None),
            (V1, "@alice:example.org:443", None),
            (V1, "@alice:sub.example.org", None),
            # Version 1 reads no token.
            (V1, "@eve:evil.example", eve),
        ]:
            self.assert_error(self.store(path, sender, token), 403, "M_FORBIDDEN")
        self.assertEqual(self.pending(), [])
        self.assertEqual(self.deliveries.rung, 0)

    def test_the_sender_is_proven_by_a_token(self) -> None:
        for path, sender, token, proven in [
            (V2, ALICE, self.register(), True),
            (V2, "@eve:evil.example", self.register("eves"), True),
            (V1, "@carol:example.org", None, False),
            (V1, "@bob:example.org", self.register("bobs"), False),
        ]:
            self.assertEqual(self.store(path, sender, token).status, 200)
            self.assertEqual([invite.proven for invite in self.pending() if invite.sender == sender], [proven])

    def test_or_by_what_was_judged_in_front_of_the_homeserver(self) -> None:
        for room in (ROOM, None):
            self.note(room=room)
            answer = self.store(V1, ALICE)
            self.assertTrue(self.pending()[0].proven)
            result(self.app.storage.invites.end(answer.json["token"], "cancelled", None, None, 1))
            # Once: another one has to be judged again.
            self.assertEqual(self.store(V1, ALICE).status, 200)
            self.assertFalse(self.pending()[0].proven)
            result(self.app.storage.invites.end(self.pending()[0].token, "cancelled", None, None, 1))

    def test_but_not_by_anything_else_that_was_judged(self) -> None:
        self.note(sender="@carol:example.org")
        self.note(room="!other:example.org")
        self.note(address="carol@example.com")
        self.store(V1, ALICE)
        self.assertFalse(self.pending()[0].proven)

    def test_and_not_by_what_was_judged_a_minute_ago(self) -> None:
        self.note()
        self.app.clock.advance(60)
        self.store(V1, ALICE)
        self.assertFalse(self.pending()[0].proven)

    def test_what_a_stranger_has_sent_before_does_not_stay(self) -> None:
        self.store(V1, ALICE, room_name="Win a car", sender_display_name="Lottery")
        token = self.store(V2, ALICE, self.register(), room_name="Garden").json["token"]
        (invite,) = self.pending()
        self.assertEqual((invite.token, invite.proven, invite.fields), (token, True, {"room_name": "Garden"}))
        self.store(V1, ALICE, room_name="Win a car")
        self.assertEqual(self.pending(), [invite])


class OldKeyTests(AppTestCase):
    """Invites that an older server took, and a key that is newer than they."""

    def test_invited_again_they_name_the_key_that_signs(self) -> None:
        keys: Any = self.app.signer.keys
        keys.insert(0, signing.private_key_of("A" * 43, "newer"))
        old = invite(BOB, room_id=ROOM, sender=ALICE, only_key="ed25519:0")
        result(self.app.storage.invites.add(old, resend_before=0))
        for room, key_id in ((ROOM, "ed25519:0"), ("!other", "ed25519:newer")):
            asked = {"medium": "email", "address": "bob@example.com", "room_id": room, "sender": ALICE}
            answer = self.post(f"{V1}/store-invite", json=asked).json
            published = self.app.signer.public_key(key_id)
            self.assertEqual((answer["public_key"], answer["public_keys"][0]["public_key"]), (published, published))


class WithoutKeyTests(AppTestCase):
    """Invites that came from Sydent, which mailed their private keys and kept none."""

    def test_the_same_again_is_a_new_one_that_can_be_accepted(self) -> None:
        old = invite(BOB, room_id=ROOM, sender=ALICE, ephemeral_private_key="", created=0, notified_at=0)
        result(self.app.storage.invites.add(old, resend_before=0))
        asked = {"medium": "email", "address": "bob@example.com", "room_id": ROOM, "sender": ALICE}
        tokens = {self.post(f"{V1}/store-invite", json=asked).json["token"] for _ in range(2)}
        (token,) = tokens
        self.assertNotEqual(token, old.token)
        fresh, ended = (result(self.app.storage.invites.get(each)) for each in (token, old.token))
        self.assertTrue(fresh and fresh.ephemeral_private_key)
        self.assertEqual(ended and ended.ended, "cancelled")
        claimed = result(self.app.storage.outbox.claim("message", now(self.app.clock), 1, 9, {}, 9))
        self.assertEqual([message.token for message in claimed.deliveries], [token])
        # What was mailed with it before goes on to be good.
        self.assertTrue(result(self.app.storage.invites.has_ephemeral_key(old.ephemeral_public_key)))


class SignTests(AppTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.token = self.invite().json["token"]
        kept = result(self.app.storage.invites.get(self.token))
        assert kept is not None
        self.public_key, self.private_key = kept.ephemeral_public_key, kept.ephemeral_private_key

    def test_signed(self) -> None:
        for path in (V1, V2):
            signed = self.post(
                f"{path}/sign-ed25519",
                json={"mxid": "@bob:example.org", "token": self.token, "private_key": self.private_key},
                token=self.register(),
            ).json
            self.assertEqual(signed["mxid"], "@bob:example.org")
            self.assertEqual(signed["sender"], "@alice:example.org")
            self.assertEqual(signed["token"], self.token)
            self.assertTrue(signing.verify(signed, DOMAIN, "ed25519:0", self.public_key))

    def test_an_invite_of_an_older_server_is_signed_with_the_key_that_was_published(self) -> None:
        private_key, public_key = signing.ephemeral_key(seeded(7))
        old = invite(BOB, ephemeral_public_key=public_key, only_key="ed25519:0")
        result(self.app.storage.invites.add(old, resend_before=0))
        body = {"mxid": "@bob:example.org", "token": old.token, "private_key": private_key}
        published = self.app.signer.public_key("ed25519:0")
        assert published is not None
        for path in (V1, V2):
            signed = self.post(f"{path}/sign-ed25519", json=body, token=self.register()).json
            self.assertTrue(signing.verify(signed, DOMAIN, "ed25519:0", published))
            del signed["signatures"]
            self.assertEqual(signed, {"mxid": "@bob:example.org", "token": old.token, "sender": old.sender})
        # We sign with our key for nobody but the invitee.
        self.assert_error(
            self.post(f"{V1}/sign-ed25519", json=body | {"private_key": self.private_key}), 400, "M_INVALID_PARAM"
        )

    def test_for_whom_is_remembered(self) -> None:
        for user_id in ("@bob:example.org", "@other:elsewhere.example", "@bob:example.org"):
            body = {"mxid": user_id, "token": self.token, "private_key": self.private_key}
            self.assertEqual(self.post(f"{V1}/sign-ed25519", json=body).status, 200)
            self.app.clock.advance(1)
        invite = result(self.app.storage.invites.get(self.token))
        assert invite is not None
        at = now(self.app.clock)
        self.assertEqual(invite.signed_by, {"@bob:example.org": at - 1000, "@other:elsewhere.example": at - 2000})

    def test_but_not_if_another_key_has_signed(self) -> None:
        body = {"mxid": "@eve:example.org", "token": self.token, "private_key": "A" * 43}
        self.assertEqual(self.post(f"{V1}/sign-ed25519", json=body).status, 200)
        invite = result(self.app.storage.invites.get(self.token))
        assert invite is not None
        self.assertEqual(invite.signed_by, {})

    def test_not_for_everybody(self) -> None:
        for number in range(SIGNERS + 1):
            body = {"mxid": f"@{number}:example.org", "token": self.token, "private_key": self.private_key}
            answer = self.post(f"{V1}/sign-ed25519", json=body)
        self.assert_error(answer, 403, "M_FORBIDDEN")
        body["mxid"] = "@0:example.org"
        self.assertEqual(self.post(f"{V1}/sign-ed25519", json=body).status, 200)

    def test_who_joined_by_the_link_and_binds_then_is_not_invited_again(self) -> None:
        body = {"mxid": "@bob:example.org", "token": self.token, "private_key": self.private_key}
        self.post(f"{V1}/sign-ed25519", json=body)
        other = self.invite(room="!other:example.org").json["token"]
        self.bind("bob@example.com", "@bob:example.org")
        deliveries = result(self.app.storage.outbox.claim("onbind", now(self.app.clock), 1, 9, {}, 9)).deliveries
        self.assertEqual([delivery.token for delivery in deliveries], [other])
        ends = [result(self.app.storage.invites.get(token)) for token in (self.token, other)]
        self.assertEqual([each and each.ended for each in ends], ["accepted", "bound"])

    def test_whoever_else_binds_is_invited(self) -> None:
        body = {"mxid": "@bob:example.org", "token": self.token, "private_key": self.private_key}
        self.post(f"{V1}/sign-ed25519", json=body)
        self.bind("bob@example.com", "@carol:example.org")
        (told,) = result(self.app.storage.outbox.claim("onbind", now(self.app.clock), 1, 9, {}, 9)).deliveries
        self.assertEqual((told.token, told.user_id), (self.token, "@carol:example.org"))

    def test_no_more_mail_after_that(self) -> None:
        body = {"mxid": "@bob:example.org", "token": self.token, "private_key": self.private_key}
        self.post(f"{V1}/sign-ed25519", json=body)
        (message,) = result(self.app.storage.outbox.of_invite(self.token))
        self.assertEqual((message.kind, message.state), ("message", "abandoned"))

    def test_unknown_token(self) -> None:
        body = {"mxid": "@bob:example.org", "token": "unknown", "private_key": self.private_key}
        self.assert_error(self.post(f"{V1}/sign-ed25519", json=body), 404, "M_UNRECOGNIZED")

    def test_wrong_keys(self) -> None:
        for key in ("", "x", self.private_key[:-2], self.private_key + "AAAA", "not base64!", "ü"):
            body = {"mxid": "@bob:example.org", "token": self.token, "private_key": key}
            self.assert_error(self.post(f"{V1}/sign-ed25519", json=body), 400, "M_INVALID_PARAM")

    def test_wrong_user(self) -> None:
        body = {"mxid": "bob", "token": self.token, "private_key": self.private_key}
        self.assert_error(self.post(f"{V1}/sign-ed25519", json=body), 400, "M_INVALID_PARAM")
