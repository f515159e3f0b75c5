"""``store-invite`` for addresses that a source knows: the homeserver has asked by hash, and found nobody."""

from __future__ import annotations

from mxisd.clock import now
from mxisd.config.lookup import Hashing
from mxisd.config.stores import Memory, MemoryAddress, MemoryUser
from mxisd.lookup.invited import INVITED
from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid, email
from mxisd.storage.records import Delivery, Invite
from tests.make import ALICE, result
from tests.web.app import V1, V2, AppTestCase

BOB, CAROL = "@bob:example.org", "@carol:example.org"
ADDRESS = "bob@example.com"
ROOM = "!room:example.org"


def user(name: str, *addresses: str) -> MemoryUser:
    threepids = tuple(MemoryAddress(medium="email", address=address) for address in addresses)
    return MemoryUser(username=name, threepids=threepids)


class Case(AppTestCase):
    memory = Memory(enabled=True, identities=(user("bob", ADDRESS), user("alice", "alice@example.com")))
    hashing = Hashing()

    def setUp(self) -> None:
        self.sections = {"memory": self.memory, "hashing": self.hashing}
        super().setUp()
        self.token = self.register()

    def refresh(self) -> None:
        """The index is refreshed, as every ten minutes."""
        (service,) = [each for each in self.app.services if each.name == "refresh of hashes"]
        service.startService()
        self.successResultOf(service.stopService() or service._current)
        self.app.clock.advance(600)

    def stored(self, token: str) -> Invite:
        invite = result(self.app.storage.invites.get(token))
        assert invite is not None
        return invite

    def store(self, address: str = ADDRESS, room: str = ROOM, status: int = 200) -> str:
        """As Synapse does; the token."""
        body = {"medium": "email", "address": address, "room_id": room, "sender": ALICE}
        answer = self.post(f"{V2}/store-invite", json=body, token=self.token)
        self.assertEqual(answer.status, status, answer.body)
        return str(answer.json.get("token") or answer.json.get("errcode"))

    def looked_up(self, address: str = ADDRESS) -> str | None:
        """Whom a hashed lookup finds."""
        pepper = self.get(f"{V2}/hash_details", token=self.token).json["lookup_pepper"]
        hashed = digest(ThreePid("email", address), pepper)
        asked = {"algorithm": "sha256", "pepper": pepper, "addresses": [hashed]}
        found: dict[str, str] = self.post(f"{V2}/lookup", json=asked, token=self.token).json["mappings"]
        return found.get(hashed)

    def due(self, kind: str) -> list[Delivery]:
        """What is due within the hour."""
        claim = self.app.storage.outbox.claim
        return result(claim(kind, now(self.app.clock) + 3_600_000, 1, 99, {}, 99)).deliveries  # type: ignore[arg-type]


class KnownTests(Case):
    def test_is_given_at_once_and_no_mail_is_sent(self) -> None:
        self.refresh()
        self.assertIsNone(self.looked_up())
        begun = now(self.app.clock)
        invite = self.stored(self.store())
        self.assertEqual((invite.ended, invite.user_id, invite.proven), ("resolved", BOB, True))
        (told,) = self.due("onbind")
        self.assertEqual((told.token, told.user_id, told.destination), (invite.token, BOB, "example.org"))
        # Not before the homeserver has made its event.
        self.assertEqual(told.created, begun + 2000)
        self.assertEqual(self.due("message") + self.due("reminder"), [])

    def test_the_next_lookup_finds_whoever_was_found(self) -> None:
        self.refresh()
        self.store()
        self.assertEqual(self.looked_up(), BOB)
        self.app.clock.advance(60)
        self.assertEqual(self.store(room="!other:example.org", status=400), "M_THREEPID_IN_USE")

    def test_who_invites_at_the_same_time_has_looked_up_before(self) -> None:
        self.refresh()
        tokens = [self.store(written, room) for room in ("!1:a", "!2:a") for written in (ADDRESS, ADDRESS.title())]
        self.assertEqual(len(set(tokens)), 2)
        self.assertEqual([(each.token, each.user_id) for each in self.due("onbind")], [(t, BOB) for t in tokens[::2]])

    def test_the_same_again_is_no_lookup(self) -> None:
        self.refresh()
        token = self.store()
        self.app.clock.advance(30)
        self.assertEqual(self.store(), token)
        self.assertEqual(len(self.due("onbind")), 1)
        self.app.clock.advance(60)
        self.assertEqual(self.store(status=400), "M_THREEPID_IN_USE")

    def test_and_so_do_those_after_a_refresh_as_long_as_the_store_says_so(self) -> None:
        self.refresh()
        self.store()
        self.refresh()
        self.assertEqual(self.looked_up(), BOB)
        self.app.clock.advance(86_400)
        self.refresh()
        self.assertEqual(self.looked_up(), BOB)
        self.forget_bob()
        # What lookups find counts, though nobody knows it any more.
        self.assertEqual(self.store(room="!other:example.org", status=400), "M_THREEPID_IN_USE")
        self.refresh()
        self.assertIsNone(self.looked_up())
        self.assertIsNone(self.stored(self.store(room="!other:example.org")).ended)

    def forget_bob(self) -> None:
        (source,) = self.app.stores.sources
        source.replace(())  # type: ignore[attr-defined]

    def test_only_who_is_found_by_each_pepper_in_use_is_refused(self) -> None:
        self.refresh()
        self.store()
        (first,) = result(self.app.storage.hashes.peppers())
        self.app.clock.advance(86_400)
        self.refresh()
        newest, oldest = result(self.app.storage.hashes.peppers())
        self.assertEqual(oldest, first)
        self.assertEqual(self.store(room="!1:example.org", status=400), "M_THREEPID_IN_USE")
        # A homeserver that has asked by the other one has found nobody.
        for number, pepper in enumerate((newest, oldest)):
            entry = [([digest(email("dave@example.com"), pepper.pepper)], "@dave:example.org")]
            result(self.app.storage.hashes.add(INVITED, [pepper.pepper], entry))
            refused = number == 1
            self.assertEqual(self.stored_or_refused("dave@example.com", f"!{number}"), refused)

    def stored_or_refused(self, address: str, room: str) -> bool:
        body = {"medium": "email", "address": address, "room_id": room, "sender": ALICE}
        return self.post(f"{V2}/store-invite", json=body, token=self.token).status == 400

    def test_an_address_as_the_homeserver_has_it_is_what_it_has_looked_up(self) -> None:
        self.refresh()
        self.bind("dave@example.com", "@dave:example.org")
        self.assertEqual(self.store("dave@example.com", status=400), "M_THREEPID_IN_USE")
        for number, written in enumerate(("Dave@Example.com", "dave@EXAMPLE.com", "DAVE@EXAMPLE.COM")):
            self.assertIsNone(self.looked_up(written))
            invite = self.stored(self.store(written, room=f"!{number}:example.org"))
            self.assertEqual((invite.ended, invite.user_id), ("resolved", "@dave:example.org"))

    def test_what_is_bound_is_not_kept_in_another_way_too(self) -> None:
        self.refresh()
        self.bind("dave@example.com", "@dave:example.org")
        self.store("Dave@example.com")
        result(self.app.storage.bindings.unbind(email("dave@example.com"), "@dave:example.org"))
        self.assertIsNone(self.looked_up("dave@example.com"))

    def test_a_homeserver_that_asks_again_gets_the_same_invite(self) -> None:
        first = self.store()
        # Before the first refresh nothing can be learnt, and the homeserver finds nobody again.
        self.assertEqual(self.store(), first)
        self.assertEqual(len(self.due("onbind")), 1)
        self.app.clock.advance(61)
        self.assertNotEqual(self.store(), first)

    def test_several_rooms(self) -> None:
        tokens = [self.store(room=f"!{number}:example.org") for number in range(3)]
        self.assertEqual([each.token for each in self.due("onbind")], tokens)

    def test_whose_invite_nobody_can_prove(self) -> None:
        invite = self.stored(self.invite(ADDRESS).json["token"])
        self.assertEqual((invite.ended, invite.user_id, invite.proven), ("resolved", BOB, False))
        self.assertEqual(self.due("message"), [])

    def test_who_invites_an_own_address_is_not_thrown_out(self) -> None:
        invite = self.stored(self.store("alice@example.com"))
        self.assertEqual((invite.ended, invite.user_id), ("accepted", ALICE))
        self.assertEqual(self.due("onbind"), [])

    def test_an_invite_that_waited_is_given_with_the_next_one(self) -> None:
        body = {"medium": "email", "address": "new@example.com", "room_id": ROOM, "sender": ALICE}
        token = self.post(f"{V2}/store-invite", json=body, token=self.token).json["token"]
        self.assertIsNone(self.stored(token).ended)
        (source,) = self.app.stores.sources
        source.replace((user("carol", "new@example.com"),))  # type: ignore[attr-defined]
        self.assertEqual(self.store("new@example.com"), token)
        self.assertEqual((self.stored(token).ended, self.stored(token).user_id), ("resolved", CAROL))


class ListedTests(Case):
    memory = Memory(enabled=True, hash_enabled=True, identities=(user("bob", ADDRESS),))

    def test_who_is_listed_is_refused(self) -> None:
        self.refresh()
        self.assertEqual(self.store(status=400), "M_THREEPID_IN_USE")

    def test_who_has_come_since_the_last_refresh_is_not(self) -> None:
        self.refresh()
        (source,) = self.app.stores.sources
        source.replace((user("carol", "new@example.com"),))  # type: ignore[attr-defined]
        self.assertEqual(self.stored(self.store("new@example.com")).user_id, CAROL)
        self.assertEqual(self.looked_up("new@example.com"), CAROL)
        self.refresh()
        self.assertEqual(self.looked_up("new@example.com"), CAROL)


class UnhashedTests(Case):
    hashing = Hashing(enabled=False)

    def test_who_is_found_in_the_clear_is_refused(self) -> None:
        self.assertEqual(self.store(status=400), "M_THREEPID_IN_USE")
        self.assertEqual(self.store(ADDRESS.upper(), status=400), "M_THREEPID_IN_USE")

    def test_and_others_are_written_to(self) -> None:
        self.assertIsNone(self.stored(self.store("new@example.com")).ended)
        self.assertEqual(len(self.due("message")), 1)


class HashesOnlyTests(Case):
    hashing = Hashing(algorithms=("sha256",))

    def test_nobody_is_found_in_the_clear(self) -> None:
        self.assertEqual(self.stored(self.store()).ended, "resolved")
        self.assertEqual(self.get(f"{V1}/lookup", query={"medium": "email", "address": ADDRESS}).json["mxid"], BOB)
