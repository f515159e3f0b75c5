"""The rules for reverse proxies lead everything to mxisd that the homeserver could take for what mxisd judges."""

import shutil
from unittest import SkipTest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mxisd.web.interception.api import VERSIONS
from tests.integration.front import Front, front
from tests.web.interception.test_ambiguity import EVENT, GUARDED, GUARDED_PATH, READERS, misspelt

ROOM = "/_matrix/client/v3/rooms/%21room%3Aexample.org"

ALSO_GUARDED = [
    ("PUT", "/_matrix/client/v3/createRoom/txn"),
    ("POST", "/_matrix/client/r0/register/email/requestToken"),
    ("POST", "/_matrix/client/v3/account/3pid/email/requestToken"),
    ("POST", "/_matrix/client/unstable/account/3pid/msisdn/requestToken"),
]
LEFT_ALONE = [
    ("GET", "/_matrix/client/versions"),
    ("GET", "/_matrix/client/v3/sync?filter=%7B%22a%22%3A%22//..%2Finvite%22%7D"),
    ("POST", f"{ROOM}/join"),
    ("PUT", f"{ROOM}/send/m.room.message/txn%2F1"),
    ("PUT", f"{ROOM}/send/m.room.encrypted/m1.invite"),
    ("PUT", f"{ROOM}/state/m.room.name/"),
    ("PUT", f"{ROOM}/state/im.vector.modular.widgets/https%3A%2F%2Fexample.org%2Finvite"),
    ("PUT", f"{ROOM}/state/m.room.member/%40user%3Aexample.org"),
    ("GET", f"{ROOM}/event/%24abc%2Fdef%2Binvite"),
    ("GET", "/_matrix/client/v3/profile/%40user%3Aexample.org"),
    ("GET", "/_matrix/client/v3/profile/%40user%3Aexample.org/displayname"),
    ("GET", "/_matrix/client/v3/login/sso/redirect?redirectUrl=https%3A%2F%2Fexample.org"),
    ("POST", "/_matrix/client/v1/login/get_token"),
    ("GET", "/_matrix/client/v3/user_directory/list/appservice"),
    ("PUT", "/_matrix/client/v3/user/%40user%3Aexample.org/account_data/createRoom"),
    ("POST", "/_matrix/client/v3/join/%23room%3Aexample.org?via=invite"),
    ("POST", "/_matrix/client/v3/register?kind=guest"),
    ("GET", "/_matrix/client/v3/register/available?username=requestToken%20"),
    ("POST", "/_matrix/client/v3/account/3pid/add"),
    ("GET", "/_matrix/client/v3/account/whoami?user_id=%40user%3Aexample.org"),
    ("POST", "/_matrix/client/v3/account/password/email/requestToken"),
    ("GET", "/_matrix/media/v3/preview_url?url=https%3A%2F%2Fexample.org//"),
    ("PUT", "/_matrix/federation/v2/invite/%21room%3Aexample.org/%24event"),
    ("GET", "/_matrix/federation/v1/event/%24a%2F%2Fb"),
    ("GET", "/_matrix/key/v2/server/ed25519%3Aa"),
    ("GET", "/_synapse/client/oidc/callback?state=%2F..%2F"),
]


class NginxTests(SynchronousTestCase):
    kind = "nginx"
    command = "nginx"

    front: Front

    def setUp(self) -> None:
        if shutil.which(self.command) is None:
            raise SkipTest(f"{self.command} is not installed")
        self.front = front(self.kind)

    def test_what_is_judged_goes_to_mxisd(self) -> None:
        for version in VERSIONS:
            client = f"/_matrix/client/{version}"
            room = f"{client}/rooms/!room:example.org"
            for method, path in [
                ("POST", f"{room}/invite"),
                ("PUT", f"{room}/invite/txn"),
                ("POST", f"{client}/createRoom"),
                ("PUT", f"{client}/createRoom/txn"),
                ("PUT", f"{room}/state/{EVENT}"),
                ("PUT", f"{room}/state/{EVENT}/..%2F..%2F..%2Fkey"),
                ("POST", f"{room}/send/{EVENT}"),
                ("PUT", f"{room}/send/m.room.third%5Fparty_invite/txn"),
                ("POST", f"{client}/register/email/requestToken"),
                ("POST", f"{client}/register/msisdn/requestToken"),
                ("POST", f"{client}/account/3pid/email/requestToken"),
                ("POST", f"{client}/account/3pid/msisdn/requestToken"),
            ]:
                self.assertEqual(self.front.ask(method, path), "mxisd", path)
                self.assertEqual(self.front.ask(method, f"{path}?access_token=a%2Fb"), "mxisd", path)

    def test_what_identity_stores_add_to_goes_to_mxisd(self) -> None:
        for method, path in [("POST", "user_directory/search"), ("POST", "login"), ("GET", "login")]:
            for version in ("r0", "v3"):
                uri = f"/_matrix/client/{version}/{path}"
                self.assertEqual(self.front.ask(method, uri), "mxisd", uri)
                self.assertEqual(self.front.ask(method, f"{uri}?access_token=a%2Fb"), "mxisd", uri)

    def test_everything_else_goes_to_the_homeserver(self) -> None:
        for method, uri in LEFT_ALONE:
            self.assertEqual(self.front.ask(method, uri), "synapse", uri)

    def test_targets_that_are_neither_a_path_nor_a_url_are_refused(self) -> None:
        for target in (
            "http:/_matrix/client/v3/createRoom",
            "https:/_matrix/client/v3/createRoom",
            "HTTP:/_matrix/client/v3/createRoom",
            "http:_matrix/client/v3/createRoom",
            "http:///_matrix/client/v3/createRoom",
            "http://?/_matrix/client/v3/createRoom",
            "ftp://matrix.example.org/_matrix/client/v3/createRoom",
            "ws:/_matrix/client/v3/createRoom",
            "//_matrix/client/v3/createRoom",
            "_matrix/client/v3/createRoom",
            "*",
        ):
            for method in ("PUT", "POST"):
                self.assertNotEqual(self.front.ask(method, target), "synapse", target)

    def test_whole_urls_are_read_as_paths(self) -> None:
        for scheme in ("http", "https", "HTTP"):
            target = f"{scheme}://matrix.example.org/_matrix/client/v3/"
            self.assertEqual(self.front.ask("POST", f"{target}createRoom"), "mxisd", target)
            self.assertEqual(self.front.ask("GET", f"{target}sync"), "synapse", target)

    def test_the_administration_of_synapse_does_not_pass_in_disguise(self) -> None:
        for path in (
            "/_synapse/admin/v2/users/x",
            "/_synapse/admin/v2/users/..%2f..%2f..%2f..%2f_matrix/x",
            "/_synapse/admin/v2/users/%2e%2e/%2e%2e/%2e%2e/%2e%2e/_matrix/x",
            "/_synapse/admin/../client/x",
            "/_synapse/admin/..%2fclient/x",
            "/_synapse/%61dmin/..%2f..%2f_matrix/client/v3/sync",
        ):
            self.assertNotEqual(self.front.ask("PUT", path), "synapse", path)

    @settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.sampled_from([*GUARDED, *ALSO_GUARDED]).flatmap(lambda way: st.tuples(st.just(way[0]), misspelt(way[1]))))
    def test_no_spelling_leads_past_mxisd(self, way: tuple[str, str]) -> None:
        method, uri = way
        if self.front.ask(method, uri) == "synapse":
            for reader in READERS:
                self.assertIsNone(GUARDED_PATH.match(reader(uri.partition("?")[0])), uri)


class ApacheTests(NginxTests):
    kind = "apache"
    command = "apache2"
