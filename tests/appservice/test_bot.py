"""Administrators talk to the bot; others do not."""

from __future__ import annotations

from typing import Any

from twisted.logger import formatEvent, globalLogPublisher

from mxisd.appservice.bot import ENCRYPTED, FAILED, NO_ADMINISTRATOR, STRANGER, Bot
from mxisd.appservice.commands import Commands
from mxisd.clock import now
from mxisd.matrix.threepid import ThreePid
from tests.appservice.case import Case
from tests.appservice.homeserver import EXPIRY, MAIN, Refusal
from tests.make import result

ALICE = "@alice:example.org"
ROOM = "!room:example.org"


class Phonebook:
    def __init__(self) -> None:
        self.people = {ThreePid("email", "carol@example.com"): "@carol:example.org"}
        self.broken = False

    async def find(self, threepid: ThreePid) -> str | None:
        if self.broken:
            raise ZeroDivisionError
        return self.people.get(threepid)


class BotCase(Case):
    def setUp(self) -> None:
        super().setUp()
        self.phonebook = Phonebook()
        self.commands = Commands(self.storage.invites, self.storage.outbox, self.lifecycle, self.phonebook)
        self.bot = self.new_bot(self.commands)
        self.people.of[ALICE] = {"staff", "admins"}

    def new_bot(self, commands: Commands | None) -> Bot:
        return Bot(self.homeserver, self.users, MAIN, self.people, ("admins", "root"), commands)


class InvitedTests(BotCase):
    def invited(self, sender: str = ALICE, **content: Any) -> str:
        """The bot's membership after an invite to it."""
        self.fake.invite(ROOM, MAIN)
        content = {"membership": "invite", **content}
        self.show(self.bot, type="m.room.member", state_key=MAIN, sender=sender, content=content)
        return self.fake.rooms[ROOM].members[MAIN]

    def test_joins_the_chat_of_an_administrator(self) -> None:
        self.assertEqual(self.invited(is_direct=True), "join")
        self.assertIn(MAIN, self.fake.registered)

    def test_says_that_it_cannot_read_what_is_encrypted(self) -> None:
        room = self.fake.room(ROOM)
        room.state["m.room.encryption", ""] = {"algorithm": "m.megolm.v1.aes-sha2"}
        self.invited(is_direct=True)
        self.assertEqual(room.messages, [(MAIN, ENCRYPTED)])

    def test_rejects_the_chat_of_others(self) -> None:
        self.people.of[ALICE] = {"staff"}
        self.assertEqual(self.invited(is_direct=True), "leave")
        self.assertEqual(self.fake.rooms[ROOM].reasons, [NO_ADMINISTRATOR])

    def test_follows_local_users_into_rooms(self) -> None:
        self.assertEqual(self.invited("@bob:example.org"), "join")

    def test_does_not_follow_strangers(self) -> None:
        self.people.of["@alice:elsewhere.example"] = {"admins"}
        for direct in (True, False):
            self.assertEqual(self.invited("@alice:elsewhere.example", is_direct=direct), "leave")
        self.assertEqual(self.fake.rooms[ROOM].reasons, [STRANGER] * 2)

    def test_without_commands_there_are_no_administrators(self) -> None:
        self.bot = self.new_bot(None)
        self.assertEqual(self.invited(is_direct=True), "leave")
        self.assertEqual(self.invited(), "join")

    def test_a_homeserver_that_is_down_is_no_disaster(self) -> None:
        self.fake.down = True
        self.assertEqual(self.invited(), "invite")
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_a_person_who_had_the_name_before_is_left_alone(self) -> None:
        self.fake.registered.add(MAIN)
        self.fake.devices[MAIN] = ["PHONE"]
        for direct in (True, False):
            self.assertEqual(self.invited(is_direct=direct), "invite")
        self.assertFalse([request for request in self.fake.requests if "/rooms/" in request])

    def test_an_account_that_only_we_use_is_ours(self) -> None:
        self.fake.registered.add(MAIN)
        self.assertEqual(self.invited(is_direct=True), "join")

    def test_a_homeserver_that_does_not_let_us_act(self) -> None:
        self.fake.registered.add(MAIN)
        self.fake.refusal = lambda request: Refusal(403, "M_FORBIDDEN") if "whoami" in request else None
        self.assertEqual(self.invited(is_direct=True), "invite")
        self.assertEqual(len(self.flushLoggedErrors()), 1)


class CheckTests(BotCase):
    def told(self) -> str:
        """What the check at the start says."""
        events: list[dict[str, Any]] = []
        observer: Any = events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        result(self.bot.check())
        return "".join(f"{each['log_level'].name}: {formatEvent(each)}" for each in events if "log_level" in each)

    def test_our_user_is_made(self) -> None:
        self.assertEqual(self.told(), "")
        self.assertIn(MAIN, self.fake.registered)

    def test_the_account_of_a_person(self) -> None:
        self.fake.registered.add(MAIN)
        self.fake.devices[MAIN] = ["PHONE"]
        told = self.told()
        self.assertIn(f"error: the user of the application service does nothing: 400 M_USER_IN_USE: {MAIN} is", told)
        self.assertIn("name another user in appsvc.user", told)

    def test_a_homeserver_that_is_down(self) -> None:
        self.fake.down = True
        self.assertIn("is not known yet: the homeserver is down", self.told())


class SpokenToTests(BotCase):
    def say(self, body: Any, event_id: str = "$event", **fields: Any) -> list[str]:
        """What the bot has said after a message."""
        content = {"msgtype": "m.text", "body": body}
        self.show(self.bot, **{"content": content, "event_id": event_id, **fields})
        return [text for sender, text in self.fake.rooms[ROOM].messages if sender == MAIN]

    def setUp(self) -> None:
        super().setUp()
        self.room = self.fake.room(ROOM, alice="join", mxisd="join")

    def test_answers_administrators(self) -> None:
        self.assertEqual(self.say("!ping"), ["Pong!"])
        self.assertEqual(self.room.members[MAIN], "join")

    def test_answers_an_event_once(self) -> None:
        self.say("!ping")
        self.assertEqual(self.say("!ping"), ["Pong!"])
        self.assertEqual(self.say("!ping", event_id="$other"), ["Pong!", "Pong!"])

    def test_refuses_others_and_leaves(self) -> None:
        self.people.of[ALICE] = set()
        self.assertEqual(self.say("!invite list"), [f"{NO_ADMINISTRATOR}."])
        self.assertEqual(self.room.members[MAIN], "leave")

    def test_refuses_everybody_without_commands(self) -> None:
        self.bot = self.new_bot(None)
        self.assertEqual(self.say("!ping"), [f"{NO_ADMINISTRATOR}."])

    def test_says_nothing_where_others_listen(self) -> None:
        self.room.members["@bob:example.org"] = "join"
        self.assertEqual(self.say("!ping"), [])
        self.people.of[ALICE] = set()
        self.assertEqual(self.say("!ping"), [])
        self.assertEqual(self.room.members[MAIN], "join")

    def test_says_nothing_where_others_may_come_to_listen(self) -> None:
        visibility, rules = ("m.room.history_visibility", ""), ("m.room.join_rules", "")
        cases: list[tuple[tuple[str, str], dict[str, Any], bool]] = [
            (visibility, {"history_visibility": "world_readable"}, False),
            (visibility, {"history_visibility": "shared"}, True),
            (visibility, {"history_visibility": "joined"}, True),
            (visibility, {}, True),
            (rules, {"join_rule": "public"}, False),
            (rules, {"join_rule": "restricted"}, False),
            (rules, {"join_rule": ["invite"]}, False),
            (rules, {"join_rule": "invite"}, True),
            (rules, {"join_rule": "knock"}, True),
            (rules, {}, True),
        ]
        for number, (key, content, answered) in enumerate(cases):
            self.room.state = {key: content}
            self.room.messages.clear()
            self.assertEqual(self.say("!ping", f"${number}"), ["Pong!"] if answered else [], content)

    def test_says_nothing_where_others_are_invited(self) -> None:
        self.room.members["@bob:example.org"] = "invite"
        self.assertEqual(self.say("!ping"), [])
        for membership in ("leave", "ban"):
            self.room.members["@bob:example.org"] = membership
            self.room.messages.clear()
            self.assertEqual(self.say("!ping", membership), ["Pong!"])

    def test_says_nothing_as_a_person_who_had_the_name_before(self) -> None:
        self.fake.registered.add(MAIN)
        self.fake.devices[MAIN] = ["PHONE"]
        self.assertEqual(self.say("!invite list"), [])
        self.assertEqual(self.say("!ping"), [])
        self.fake.devices[MAIN] = []
        self.assertEqual(self.say("!ping", "$2"), ["Pong!"])
        # Who had logged out, and comes back.
        self.fake.devices[MAIN] = ["PHONE"]
        self.assertEqual(self.say("!ping", "$3"), ["Pong!"])

    def test_is_not_there_for_small_talk(self) -> None:
        self.assertEqual(self.say("Hello"), [])
        self.assertEqual(self.say(7), [])
        self.assertEqual(self.say("!ping", content={"msgtype": "m.notice", "body": "!ping"}), [])
        self.assertEqual(self.say("!ping", content={}), [])

    def test_does_not_talk_to_itself(self) -> None:
        self.assertEqual(self.say("!ping", sender=MAIN), [])

    def test_says_nothing_where_it_is_not(self) -> None:
        del self.room.members[MAIN]
        self.assertEqual(self.say("!ping"), [])

    def test_a_command_that_fails_is_answered(self) -> None:
        self.phonebook.broken = True
        self.assertEqual(self.say("!lookup email carol@example.com"), [FAILED])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class CommandTests(BotCase):
    def run_line(self, line: str) -> str:
        return result(self.commands.run(line))

    def test_help_names_every_command(self) -> None:
        answer = self.run_line("!help")
        for command in (
            "!help",
            "!ping",
            "!lookup",
            "!invite list",
            "!invite show",
            "!invite revoke",
            "!invite resolve",
        ):
            self.assertIn(f"{command} ", f"{answer} ".replace(":", " "))

    def test_what_it_does_not_know(self) -> None:
        for line in ("!", "!nonsense", "!invite", "!invite nonsense"):
            self.assertTrue(self.run_line(line).startswith("I do not know this command.\n!help"), line)

    def test_the_wrong_number_of_arguments(self) -> None:
        for line, usage in [
            ("!lookup email", "!lookup <medium> <address>"),
            ("!invite show", "!invite show <id>"),
            ("!invite show a b", "!invite show <id>"),
            ("!invite resolve a", "!invite resolve <id> <user ID>"),
            ("!ping pong", "!ping"),
        ]:
            self.assertEqual(self.run_line(line), f"Usage: {usage}")

    def test_lookup(self) -> None:
        self.assertEqual(self.run_line("!lookup email Carol@Example.com"), "It belongs to @carol:example.org")
        self.assertEqual(self.run_line("!lookup email bob@example.com"), "Nobody is known by this address.")
        self.assertTrue(self.run_line("!lookup email bob").startswith("Not an address: "))
        self.assertTrue(self.run_line("!lookup fax 123").startswith("Not an address: "))

    def test_list_of_pending_invites(self) -> None:
        self.assertEqual(self.run_line("!invite list"), "No invite is pending.")
        for number in range(25):
            self.invite(f"token{number}", room_id=f"!{number}:example.org")
            self.clock.advance(1)
        first, second = self.run_line("!invite list").splitlines(), self.run_line("!invite list 2").splitlines()
        self.assertEqual(
            first[0],
            "token0: bob@example.com to !0:example.org by @alice:example.org, 2023-11-14 22:13:20 UTC",
        )
        self.assertEqual((len(first), first[-1]), (21, "More: !invite list 2"))
        self.assertEqual((len(second), second[-1].partition(":")[0]), (5, "token24"))
        self.assertEqual(self.run_line("!invite list 3"), "There is no such page.")
        for page in ("0", "-1", "x", "²", "9" * 5000):
            self.assertTrue(self.run_line(f"!invite list {page}").startswith("Usage: "), page)

    def test_what_became_of_an_invite(self) -> None:
        self.invite()
        shown = self.run_line("!invite show token")
        self.assertIn(
            "email bob@example.com\nRoom: !room:example.org\nInvited by: @alice:example.org, which anybody", shown
        )
        self.assertIn("Pending\nMessage of 2023-11-14 22:13:20 UTC: queued, attempts: 0, due", shown)
        result(self.lifecycle.expire("token"))
        (delivery,) = result(self.storage.outbox.claim("onbind", now(self.clock), 1000, 1, {}, 1)).deliveries
        result(self.storage.outbox.close(delivery, "refused", "403 M_FORBIDDEN Could not find invite", now(self.clock)))
        shown = self.run_line("!invite show token")
        self.assertIn(f"Ended: expired, 2023-11-14 22:13:20 UTC, given to {EXPIRY}", shown)
        self.assertIn(": refused, attempts: 1, last answer: 403 M_FORBIDDEN Could not find invite", shown)
        self.assertEqual(self.run_line("!invite show other"), "There is no invite with this ID.")

    def test_revoke_is_to_expire_now(self) -> None:
        self.invite()
        self.assertEqual(
            self.run_line("!invite revoke token"),
            f"Done: the invite of bob@example.com to !room:example.org goes to {EXPIRY}.",
        )
        self.assertEqual((self.stored().ended, self.bell.rung), ("expired", 1))
        self.assertEqual(self.run_line("!invite revoke token"), "No invite with this ID is pending.")

    def test_resolve(self) -> None:
        self.invite()
        self.assertTrue(self.run_line("!invite resolve token bob").startswith("Not a user ID: "))
        self.assertEqual(
            self.run_line("!invite resolve token @bob:elsewhere.example"),
            "Done: the invite of bob@example.com to !room:example.org goes to @bob:elsewhere.example.",
        )
        self.assertEqual((self.stored().ended, self.stored().user_id), ("resolved", "@bob:elsewhere.example"))
