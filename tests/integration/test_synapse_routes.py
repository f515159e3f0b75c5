"""Every way in which Synapse takes an address is known to us, and those that lead to an account are judged."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from unittest import SkipTest

from msgspec import Struct, convert
from twisted.trial.unittest import SynchronousTestCase

from tests.integration.front import front
from tests.integration.process import ROOT, installed
from tests.integration.synapse import PYTHON
from tests.web.interception.app import InterceptionTestCase
from tests.web.interception.test_ambiguity import EVENT, INVITE, READERS

# Runs within Synapse: the routes that it registers, and what the code behind them has to do with addresses.
PROGRAM = r"""
import importlib, inspect, json, pathlib, pkgutil, re
import synapse, synapse.rest
from synapse.http.servlet import RestServlet

WORDS = r"threepid|3pid|email|msisdn|phone_number"
STARTS = r"send_threepid_validation|requestMsisdnToken|start_or_continue_validation_session"

class Server:
    def __init__(self):
        self.registered = set()

    def register_paths(self, method, patterns, *more, **others):
        self.registered |= {(method, pattern.pattern) for pattern in patterns}

def routes_of(kind):
    if not issubclass(kind, RestServlet):
        # A resource, whose path is where it is mounted; the modules are called like that.
        path = "/_synapse/" + kind.__module__.removeprefix("synapse.rest.synapse.").replace(".", "/")
        names = re.findall("_async_render_([A-Z]+)", " ".join(dir(kind)))
        return {(name, path) for name in names}
    server = Server()
    try:
        kind.register(object.__new__(kind), server)
    except Exception:
        methods = [name.removeprefix("on_") for name in dir(kind) if re.fullmatch("on_[A-Z]+", name)]
        for method in methods:
            server.register_paths(method, kind.PATTERNS or [])
    return server.registered

routes = []
for info in pkgutil.walk_packages(synapse.rest.__path__, "synapse.rest."):
    try:
        module = importlib.import_module(info.name)
    except ImportError:
        continue  # of a way to log in whose library is not installed
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ == info.name:
            source = inspect.getsource(kind)
            for method, pattern in routes_of(kind):
                addressed, starts = re.search(WORDS, source + pattern, re.I), re.search(STARTS, source)
                routes.append({
                    "method": method, "pattern": pattern, "addressed": bool(addressed), "starts": bool(starts)
                })
root = pathlib.Path(synapse.__file__).parent
callers = [str(p.relative_to(root)) for p in root.rglob("*.py") if re.search(r"\.(" + STARTS + r")\(", p.read_text())]
print(json.dumps({"routes": routes, "callers": sorted(callers)}))
"""
DOCUMENT = ROOT / "docs" / "registration-policy.md"
CLIENT = re.compile(r"\^/_matrix/client/(?:\((?P<many>[^)]*)\)|(?P<one>[^/]*))/(?P<path>.*)\$")


class Route(Struct):
    """A way for requests.  The code behind it is ``addressed``: it mentions addresses.  It ``starts`` validations."""

    method: str
    pattern: str
    addressed: bool
    starts: bool

    @property
    def path(self) -> str:
        """As the document has it: below the version of the API, or from the root."""
        path = re.sub(r"\(\?P<([a-z_]*)>[^)]*\)", r"{\1}", self.pattern)
        of_clients = CLIENT.fullmatch(path)
        return of_clients["path"] if of_clients else path.strip("^$")


class Routes(Struct):
    routes: list[Route]
    callers: list[str]


@cache
def routes() -> Routes:
    answer = subprocess.run([installed(str(PYTHON)), "-c", PROGRAM], check=True, capture_output=True)
    return convert(json.loads(answer.stdout), Routes)


class DocumentTests(SynchronousTestCase):
    def test_every_route_that_knows_of_addresses_is_in_the_document(self) -> None:
        found = routes().routes
        self.assertGreater(len(found), 200)
        listed = set(re.findall(r"^\| `([A-Z]+ [^`]*)`", DOCUMENT.read_text(), re.MULTILINE))
        addressed = {f"{route.method} {route.path}" for route in found if route.addressed}
        self.assertEqual(addressed - listed, set(), "in Synapse, and not in the document")
        self.assertEqual(listed - addressed, set(), "in the document, and not in Synapse")


class JudgedTests(InterceptionTestCase):
    # Who has forgotten a password has an account.
    NEEDS_AN_ACCOUNT = ("account/password/email/requestToken",)

    def test_every_route_that_has_an_address_validated_is_judged(self) -> None:
        known = routes()
        self.assertEqual(known.callers, ["handlers/identity.py", "rest/client/account.py", "rest/client/register.py"])
        judged = set()
        for route in known.routes:
            if not route.starts or route.path in self.NEEDS_AN_ACCOUNT:
                continue
            match = CLIENT.fullmatch(route.pattern)
            assert match is not None, route.pattern
            for version in (match["many"] or match["one"]).split("|"):
                path = f"/_matrix/client/{version}/{route.path}"
                body = {"email": "bob@example.com", "country": "DE", "phone_number": "01511 2345678"}
                answer = self.request(route.method, path, body, token=None)
                self.assertEqual((answer.status, answer.json["errcode"]), (403, "M_THREEPID_DENIED"), path)
            judged.add(route.path)
        media, ways = ("email", "msisdn"), ("register", "account/3pid")
        self.assertEqual(judged, {f"{way}/{medium}/requestToken" for way in ways for medium in media})


# What the parameters of a route are in a request that invites an address, or has one validated.
PARAMETERS = {"room_id": "!room:example.org", "membership_action": "invite", "event_type": EVENT}
PARAMETER = re.compile(r"\(\?P<([a-z_]*)>[^)]*\)")
# The ways by which addresses are invited, and those by which they are validated for a registration.
INVITES = re.compile(r"rooms/[^/]*/(invite|(state|send)/m\.room\.third_party_invite)(/[^/]*)?|createRoom(/[^/]*)?")
VALIDATIONS = re.compile(r"(register|account/3pid)/[^/]*/requestToken")

SPELLINGS: list[Callable[[str], str]] = [
    lambda path: path,
    lambda path: f"{path}?access_token=a%2Fb",
    lambda path: f"{path}#/sync",
    lambda path: f"{path};a=b",
    lambda path: f"{path}/",
    lambda path: f"{path}%00",
    lambda path: f"/{path}",
    lambda path: f"/x/..{path}",
    lambda path: f"/%2e{path}",
    lambda path: path.replace("/client/", "/client//"),
    lambda path: path.replace("/client/", "/client/./"),
    lambda path: path.replace("/client/", "/client/x/../"),
    lambda path: path.replace("/client/", "/client%2F"),
    lambda path: path.replace("/client/", "/client/..%2Fclient/"),
    lambda path: path.replace("/_matrix", "/%5fmatrix"),
    lambda path: path.replace("/_matrix", "/_MATRIX"),
    lambda path: path[:-1] + f"%{ord(path[-1]):02x}",
    lambda path: path[:-1] + f"%25{ord(path[-1]):02x}",
    lambda path: re.sub("invite|createRoom|requestToken", lambda word: f"%{ord(word[0][0]):02X}{word[0][1:]}", path),
    lambda path: f"http://matrix.example.org{path}",
    lambda path: f"HTTP://matrix.example.org:80{path}",
    lambda path: f"http:{path}",
    lambda path: f"https:/{path}",
    lambda path: path[1:],
]


def corpus() -> Iterator[tuple[str, str]]:
    """Methods and targets: whatever invites addresses, or has them validated, in many spellings."""
    for route in routes().routes:
        match = CLIENT.fullmatch(PARAMETER.sub(lambda name: PARAMETERS.get(name[1], "x"), route.pattern))
        if (
            route.method != "GET"
            and match
            and (INVITES.fullmatch(match["path"]) or VALIDATIONS.fullmatch(match["path"]))
        ):
            for version in (match["many"] or match["one"]).split("|"):
                for spelling in SPELLINGS:
                    target = spelling(f"/_matrix/client/{version}/{match['path']}")
                    for method in {route.method, "POST", "PUT"}:
                        yield method, target


def reached(method: str, target: str) -> list[str]:
    """The routes of Synapse that a target leads to, in one reading or another, and that have to be judged."""
    path = re.sub("^https?://[^/]*", "", target, flags=re.IGNORECASE).partition("?")[0]
    found = []
    for read in READERS:
        for route in routes().routes:
            if route.method == method and (named := re.match(route.pattern, read(path))):
                plain = CLIENT.fullmatch(PARAMETER.sub(lambda name: named[name[1]], route.pattern))
                if plain and (INVITES.fullmatch(plain["path"]) or VALIDATIONS.fullmatch(plain["path"])):
                    found.append(route.pattern)
    return found


class CorpusTests(InterceptionTestCase):
    """No 3PID invite and no validation for a registration reaches the homeserver unjudged, whatever its target."""

    def test_the_corpus_has_all_ways(self) -> None:
        targets = list(corpus())
        self.assertGreater(len(targets), 1500)
        led = {pattern for method, target in targets for pattern in reached(method, target)}
        for word in (
            "createRoom$",
            "createRoom/",
            "membership_action",
            "/state/",
            "/send/",
            "3pid/msisdn",
            "register/",
        ):
            self.assertTrue([pattern for pattern in led if word in pattern], word)

    def test_directly(self) -> None:
        for method, target in corpus():
            # Alice may invite nobody; she has an account, and may have addresses validated.
            token = "alices" if "/account/3pid/" not in target else None
            self.request(method, target, INVITE | {"invite_3pid": [INVITE], "email": "bob@example.com"}, token=token)
        passed = [(seen.method, seen.uri) for seen in self.homeserver.judged()]
        self.assertEqual([way for way in passed if reached(*way)], [])

    def test_through_nginx(self) -> None:
        self.through("nginx", "nginx")

    def test_through_apache(self) -> None:
        self.through("apache", "apache2")

    def through(self, kind: str, command: str) -> None:
        if shutil.which(command) is None:
            raise SkipTest(f"{command} is not installed")
        passed = [(method, target) for method, target in corpus() if front(kind).ask(method, target) == "synapse"]
        self.assertEqual([way for way in passed if reached(*way)], [])
