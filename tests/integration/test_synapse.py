"""The way of an address and of an invite, with a real Synapse."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from tests.integration.deployment import Deployment, deployment
from tests.integration.mailbox import text_of
from tests.integration.matrix_client import CLIENT, V1, V2, MatrixClient, User
from tests.integration.process import eventually


class SynapseCase(SynchronousTestCase):
    here: Deployment

    def setUp(self) -> None:
        self.here = deployment()

    def validated(self, client: MatrixClient, api: str, address: str) -> dict[str, str]:
        """Prove to be the owner of an address, by the link in the mail; return the session's proof."""
        asked = {"client_secret": "a.secret", "email": address, "send_attempt": 1}
        sid = client.post(f"{api}/validate/email/requestToken", asked)["sid"]
        client.follow(self.here.mailbox.next_link_to(address.lower()))
        return {"sid": sid, "client_secret": "a.secret"}

    def bind_by_synapse(self, user: User, address: str) -> None:
        proof = self.validated(user.identity, V2, address)
        user.homeserver.post(f"{CLIENT}/account/3pid/bind", {**proof, **self.identity_server(user)})

    def unbind_by_synapse(self, user: User, address: str) -> str:
        threepid = {"medium": "email", "address": address, "id_server": self.here.id_server}
        return str(user.homeserver.post(f"{CLIENT}/account/3pid/unbind", threepid)["id_server_unbind_result"])

    def invite(self, sender: User, room: str, address: str) -> None:
        threepid = {"medium": "email", "address": address}
        sender.homeserver.post(f"{CLIENT}/rooms/{quote(room)}/invite", {**threepid, **self.identity_server(sender)})

    def identity_server(self, user: User) -> dict[str, str]:
        return {"id_server": self.here.id_server, "id_access_token": user.identity_token}


class AddressTests(SynapseCase):
    def test_bound_address_is_found(self) -> None:
        alice, bob = self.here.user("alice"), self.here.user("bob")
        self.assertIsNone(alice.lookup("bob@example.org"))
        self.bind_by_synapse(bob, "Bob@Example.org")
        self.assertEqual(alice.lookup("bob@example.org"), bob.user_id)

    def test_homeserver_unbinds(self) -> None:
        alice, carol = self.here.user("alice-unbinds"), self.here.user("carol")
        self.bind_by_synapse(carol, "carol@example.org")
        self.assertEqual(alice.lookup("carol@example.org"), carol.user_id)
        self.assertEqual(self.unbind_by_synapse(carol, "carol@example.org"), "success")
        self.assertIsNone(alice.lookup("carol@example.org"))
        self.assertIn("carol@example.org was removed", text_of(self.here.mailbox.next_to("carol@example.org")))

    def test_v1(self) -> None:
        anybody, dave = self.here.anybody(), self.here.user("dave")
        threepid = {"medium": "email", "address": "dave@example.org"}
        self.assertEqual(anybody.get(f"{V1}/lookup", threepid), {})
        proof = self.validated(anybody, V1, "dave@example.org")
        bound = anybody.post(f"{V1}/3pid/bind", {**proof, "mxid": dave.user_id})
        self.assertEqual(anybody.get(f"{V1}/lookup", threepid), bound)
        self.assertEqual(bound["mxid"], dave.user_id)


class WithoutUnbindingTests(SynapseCase):
    def setUp(self) -> None:
        self.here = Deployment(sections={"session": {"policy": {"unbind": {"enabled": False}}}})
        self.addCleanup(self.here.stop)

    def test_accounts_can_be_deactivated(self) -> None:
        alice, olivia = self.here.user("alice"), self.here.user("olivia")
        self.bind_by_synapse(olivia, "olivia@example.org")
        login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": olivia.user_id}}
        password = {"auth": {**login, "password": "a pass phrase"}}
        answer = olivia.homeserver.post(f"{CLIENT}/account/deactivate", password)
        self.assertEqual(answer, {"id_server_unbind_result": "no-support"})
        self.assertEqual(alice.lookup("olivia@example.org"), olivia.user_id)


class InviteTests(SynapseCase):
    def test_invite_waits_until_the_address_is_bound(self) -> None:
        erin, frank = self.here.user("erin"), self.here.user("frank")
        room = erin.create_room()
        self.invite(erin, room, "frank@example.org")

        self.here.mailbox.next_to("frank@example.org")
        (waiting,) = erin.state(room, "m.room.third_party_invite")
        self.assertNotIn("frank@example.org", waiting["display_name"])
        self.assert_keys_are_valid(waiting)
        self.assertNotIn(room, frank.rooms("invite"))

        self.bind_by_synapse(frank, "frank@example.org")
        self.assert_is_invited_and_joins(frank, room)

    def test_each_room_of_an_address_gets_its_member(self) -> None:
        grace, heidi = self.here.user("grace"), self.here.user("heidi")
        rooms = [grace.create_room(), grace.create_room()]
        for room in rooms:
            self.invite(grace, room, "heidi@example.org")
            self.here.mailbox.next_to("heidi@example.org")
        self.bind_by_synapse(heidi, "heidi@example.org")
        for room in rooms:
            self.assert_is_invited_and_joins(heidi, room)

    def test_bound_on_v1(self) -> None:
        ivan, judy = self.here.user("ivan"), self.here.user("judy")
        room = ivan.create_room()
        self.invite(ivan, room, "judy@example.org")
        self.here.mailbox.next_to("judy@example.org")
        anybody = self.here.anybody()
        proof = self.validated(anybody, V1, "judy@example.org")
        anybody.post(f"{V1}/3pid/bind", {**proof, "mxid": judy.user_id})
        self.assert_is_invited_and_joins(judy, room)

    def test_known_address_is_invited_by_user_id(self) -> None:
        mallory, niaj = self.here.user("mallory"), self.here.user("niaj")
        self.bind_by_synapse(niaj, "niaj@example.org")
        room = mallory.create_room()
        self.invite(mallory, room, "niaj@example.org")
        self.assertEqual(mallory.state(room, "m.room.third_party_invite"), [])
        self.assert_is_invited_and_joins(niaj, room)

    def assert_keys_are_valid(self, waiting: Any) -> None:
        for key in waiting["public_keys"]:
            url = f"{key['key_validity_url']}?public_key={quote(key['public_key'], safe='')}"
            self.assertEqual(self.here.anybody().open(url), '{"valid":true}')

    def assert_is_invited_and_joins(self, user: User, room: str) -> None:
        eventually(lambda: room in user.rooms("invite"))
        user.homeserver.post(f"{CLIENT}/join/{quote(room)}")
        self.assertIn(room, user.rooms("join"))
