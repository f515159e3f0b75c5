"""Addresses that others know: an identity store by hashes, another mxisd that is found by DNS, and a Sydent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.hashing import digest
from mxisd.matrix.threepid import ThreePid
from tests.integration.mailbox import Mailbox
from tests.integration.matrix_client import V1, V2, MatrixClient, Refused
from tests.integration.mxisd import Mxisd
from tests.integration.names import Names
from tests.integration.openid import OpenIdHomeserver
from tests.integration.process import eventually, free_port
from tests.integration.sydent import Sydent
from tests.net.servers import Authority

OVER = "M_INVALID_PEPPER"


class Client(MatrixClient):
    """Looks addresses up, as someone whom the reverse proxy has seen at an IP address."""

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        super().__init__(url)
        self._headers = {"X-Forwarded-For": address}

    def find(self, address: str) -> Any:
        """The association of an email address; empty if there is none."""
        return self.get(f"{V1}/lookup", {"medium": "email", "address": address})

    def find_many(self, *addresses: str) -> dict[str, str]:
        asked = {"threepids": [["email", address] for address in addresses]}
        return {address: user_id for _, address, user_id in self.post(f"{V1}/bulk_lookup", asked)["threepids"]}


class LookupTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.authority = Authority(self.folder / "authority.pem")

    def mxisd(
        self, domain: str, people: dict[str, str], bind: tuple[str, ...] = (), nameserver: str = "", **sections: Any
    ) -> Mxisd:
        """One that has the localparts of people by their addresses."""
        port = free_port()
        outbound = {"nameservers": [nameserver]} if nameserver else {}
        identities = [
            {"username": name, "threepids": [{"medium": "email", "address": address}]}
            for address, name in people.items()
        ]
        config: dict[str, Any] = {
            "matrix": {"domain": domain},
            "server": {"bind": [f"tcp:{port}:interface=127.0.0.1", *bind]},
            "threepid": {"medium": {"email": {"connector": "none"}}},
            "memory": {"enabled": True, "hashEnabled": True, "identities": identities},
            "outbound": {"allowedNetworks": ["127.0.0.0/8"], "caFile": self.authority.path} | outbound,
            **sections,
        }
        mxisd = Mxisd(self.folder / domain, port, config)
        self.addCleanup(mxisd.stop)
        return mxisd


class FederationTests(LookupTestCase):
    """Two mxisd, one of which is found by DNS."""

    def setUp(self) -> None:
        super().setUp()
        port = free_port()
        names = Names(
            self.folder / "names",
            f'SRV("_matrix-identity._tcp.b.test", 10, 0, {free_port()}, "id.b.test")',
            f'SRV("_matrix-identity._tcp.b.test", 20, 0, {port}, "id.b.test")',
            f'SRV("_matrix-identity._tcp.a.test", 10, 0, {port}, "id.b.test")',
            'A("id.b.test", "127.0.0.1")',
        )
        self.addCleanup(names.stop)
        certificate = self.folder / "id.b.test.pem"
        certificate.write_bytes(self.authority.pem("id.b.test"))
        self.there = self.mxisd(
            "b.test",
            {"bert@b.test": "bert", "bea@b.test": "bea", "ann@a.test": "ann"},
            bind=(f"ssl:{port}:interface=127.0.0.1:privateKey={certificate}:certKey={certificate}",),
        )
        self.here = self.mxisd("a.test", {"anna@a.test": "anna"}, nameserver=names.address)
        self.client = Client(self.here.url)

    def test_an_address_of_the_other_domain(self) -> None:
        found = self.client.find("Bert@b.test")
        self.assertEqual((found["mxid"], found["address"]), ("@bert:b.test", "bert@b.test"))
        self.assertIn("a.test", found["signatures"])
        self.assertEqual(self.client.find("nobody@b.test"), {})

    def test_many(self) -> None:
        self.assertEqual(
            self.client.find_many("bert@b.test", "anna@a.test", "nobody@b.test", "bea@b.test", "nobody@c.test"),
            {"bert@b.test": "@bert:b.test", "anna@a.test": "@anna:a.test", "bea@b.test": "@bea:b.test"},
        )

    def test_our_own_domain_is_not_asked_elsewhere(self) -> None:
        self.assertEqual(self.client.find("ann@a.test"), {})

    def test_strangers_cause_no_questions(self) -> None:
        stranger = Client(self.here.url, "192.0.2.1")
        self.assertEqual(stranger.find("bert@b.test"), {})
        self.assertEqual(stranger.find_many("bert@b.test", "anna@a.test"), {"anna@a.test": "@anna:a.test"})

    def test_the_other_one_is_away(self) -> None:
        self.assertEqual(self.client.find("bert@b.test")["mxid"], "@bert:b.test")
        self.there.stop()
        for _ in range(5):
            self.assertEqual(
                self.client.find_many("bert@b.test", "bea@b.test", "anna@a.test"),
                {"bert@b.test": "@bert:b.test", "anna@a.test": "@anna:a.test"},
            )
        self.there.start()


class HashTests(LookupTestCase):
    """Users of an identity store, found by those who send hashes."""

    def setUp(self) -> None:
        super().setUp()
        homeserver = OpenIdHomeserver(self.folder, self.authority)
        self.addCleanup(homeserver.stop)
        here = self.mxisd(homeserver.name, {"anna@a.test": "anna"}, hashing={"refresh": "1s", "rotation": "5s"})
        token = MatrixClient(here.url).post(f"{V2}/account/register", homeserver.openid_token)["token"]
        self.client = MatrixClient(here.url, token=token)
        self.anna = f"@anna:{homeserver.name}"

    def pepper(self) -> str:
        return str(self.client.get(f"{V2}/hash_details")["lookup_pepper"])

    def under(self, pepper: str) -> str:
        """Who is found by a hash with this pepper; what is said of one that is not good any more."""
        hashed = digest(ThreePid("email", "anna@a.test"), pepper)
        try:
            asked = {"algorithm": "sha256", "pepper": pepper, "addresses": [hashed]}
            return str(self.client.post(f"{V2}/lookup", asked)["mappings"].get(hashed, ""))
        except Refused as error:
            return str(error.body["errcode"])

    def test_they_are_found_under_each_pepper(self) -> None:
        first = self.pepper()
        eventually(lambda: self.under(first))
        second = str(eventually(lambda: (new := self.pepper()) != first and new))
        # It may be over again, on a machine that is very slow.
        self.assertIn(self.under(second), (self.anna, OVER))
        eventually(lambda: self.under(first) == OVER)


class ForwardTests(LookupTestCase):
    """An mxisd that asks a Sydent about what it does not know."""

    def setUp(self) -> None:
        super().setUp()
        self.mailbox = Mailbox()
        self.addCleanup(self.mailbox.stop)
        self.sydent = Sydent(self.folder / "sydent", free_port(), self.mailbox)
        self.addCleanup(self.sydent.stop)
        self.homeserver = OpenIdHomeserver(self.folder, self.authority)
        self.addCleanup(self.homeserver.stop)
        for name in ("carl", "cleo"):
            # Sydent tells the homeserver, which has to be on this machine therefore.
            self.sydent.bind(f"{name}@c.test", f"@{name}:127.0.0.1:1")

    def client(self, **forward: Any) -> Client:
        servers = {"central": [self.sydent.url]}
        here = self.mxisd(
            "a.test",
            {"anna@a.test": "anna"},
            matrix={"domain": "a.test", "identity": {"servers": servers}},
            forward=forward,
        )
        return Client(here.url)

    def assert_finds(self, client: Client) -> None:
        self.assertEqual(client.find("Carl@c.test")["mxid"], "@carl:127.0.0.1:1")
        self.assertEqual(client.find("nobody@c.test"), {})
        self.assertEqual(
            client.find_many("anna@a.test", "cleo@c.test", "nobody@c.test", "carl@c.test"),
            {"anna@a.test": "@anna:a.test", "carl@c.test": "@carl:127.0.0.1:1", "cleo@c.test": "@cleo:127.0.0.1:1"},
        )

    def test_by_hashes_with_an_account(self) -> None:
        account = {"accessToken": "access", "homeserver": self.homeserver.url}
        self.assert_finds(self.client(servers=["central"], account=account))
        self.assertEqual([line for line in self.sydent.requests if "/api/v1/" in line], [])

    def test_in_the_clear_without_one(self) -> None:
        self.assert_finds(self.client(servers=["central"]))
        self.assertEqual([line for line in self.sydent.requests if "/v2/" in line], [])

    def test_nothing_is_sent_by_default(self) -> None:
        client = self.client()
        self.assertEqual(client.find("carl@c.test"), {})
        self.assertEqual(client.find_many("carl@c.test"), {})
        self.assertEqual(self.sydent.requests, [])
