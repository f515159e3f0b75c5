"""
The storage contract as tests: every engine's test case derives from :class:`StorageContract`.

What is promised here is what the domain builds on.  How an engine keeps its promises is tested beside the engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from msgspec import structs
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mxisd.matrix.hashing import digest, digests
from mxisd.matrix.threepid import ThreePid
from mxisd.storage.buckets import SKEW, Charge
from mxisd.storage.contract import Storage
from mxisd.storage.hashed import Portion
from mxisd.storage.records import Account, Delivery, Invite, Kind, Pepper, Session, Taker, secret_digest
from tests.make import ALICE, BOB, EMAIL, NOW, PHONE, binding, delivery, invite, session

T = TypeVar("T")

HOUR = 3_600_000
LEASE = 30_000

BOBS = ThreePid("email", "bob@example.com")
SAME_TEXT = ThreePid("msisdn", EMAIL.address)

# Each has been taken for a number, a pattern, a separator or an end of text by some client or store.
AWKWARD = (
    "0049151000000",
    "+14155550100",
    "1.10",
    "1e5",
    "-1",
    "nan",
    "null",
    "",
    " ",
    "a b@example.com",
    "o'hara@example.com",
    '"quoted"@example.com',
    "per%cent_*?[x]{y}@example.com",
    "back\\slash@example.com",
    "line\r\nbreak@example.com",
    "straße@bücher.example",
    "用户@例子.广告",
    "🙂@example.com",
)


def addresses(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.threepid.address for delivery in deliveries]


async def together(*calls: Awaitable[T]) -> list[T]:
    """The results of calls that are under way at the same time."""
    return list(await gatherResults([Deferred.fromCoroutine(_await(call)) for call in calls], consumeErrors=True))


async def _await(call: Awaitable[T]) -> T:
    return await call


class StorageContract(TestCase):
    """Derive from this; ``setUp`` sets ``storage`` to a new and empty store."""

    storage: Storage

    async def restart(self) -> None:
        """End the engine and start it again on the same data, under ``storage``."""
        raise NotImplementedError

    # Sessions.

    async def test_a_session_comes_back_as_it_was_kept(self) -> None:
        for address in AWKWARD:
            kept = session(
                threepid=ThreePid("email", address), next_link="https://example.org/?a=ü&b=1", send_attempt=-1
            )
            self.assertEqual(await self.storage.sessions.open(kept, alive_since=NOW, max_guesses=5, most=9), kept)
            self.assertEqual(await self.storage.sessions.get(kept.sid), kept)

    async def test_texts_that_look_like_something_else_stay_texts(self) -> None:
        for text in AWKWARD:
            kept = session(token_digests=text, next_link=text)
            await self.storage.sessions.open(kept, alive_since=NOW, max_guesses=5, most=9)
            self.assertEqual(await self.storage.sessions.get(kept.sid), kept)

    async def test_an_unknown_session(self) -> None:
        sessions = self.storage.sessions
        self.assertIsNone(await sessions.get("none"))
        await sessions.add_token("none", None, "a")
        await sessions.sent("none", 1)
        self.assertEqual(await sessions.take_guess("none"), 0)
        await sessions.validate("none", NOW)
        self.assertIsNone(await sessions.get("none"))

    async def test_the_living_session_of_a_secret_is_returned(self) -> None:
        first = session()
        await self.open(first)
        self.assertEqual(await self.open(structs.replace(first, sid="other", token_digests="other")), first)
        self.assertIsNone(await self.storage.sessions.get("other"))

    async def test_sessions_differ_by_secret(self) -> None:
        first = session()
        await self.open(first)
        other = structs.replace(first, sid="other", secret_digest="another")
        self.assertEqual(await self.open(other), other)

    async def test_a_session_is_alive_until_its_time_has_passed(self) -> None:
        first = session(modified=NOW)
        await self.open(first)
        second = structs.replace(first, sid="second", modified=NOW + HOUR)
        self.assertEqual(await self.storage.sessions.open(second, alive_since=NOW, max_guesses=5, most=9), first)
        self.assertEqual(await self.storage.sessions.open(second, alive_since=NOW + 1, max_guesses=5, most=9), second)
        self.assertEqual(await self.storage.sessions.get(first.sid), first)

    async def test_a_session_is_alive_until_too_much_was_guessed(self) -> None:
        first = session()
        await self.open(first)
        for guesses in (1, 2):
            self.assertEqual(await self.storage.sessions.take_guess(first.sid), guesses)
        second = structs.replace(first, sid="second")
        alive = await self.storage.sessions.open(second, alive_since=NOW, max_guesses=3, most=9)
        self.assertEqual((alive.sid, alive.guesses), (first.sid, 2))
        self.assertEqual(
            (await self.storage.sessions.open(second, alive_since=NOW, max_guesses=2, most=9)).sid, "second"
        )

    async def test_a_living_session_can_be_found_without_opening_one(self) -> None:
        first = session(modified=NOW)

        async def alive(since: int = NOW, max_guesses: int = 5) -> Session | None:
            return await self.storage.sessions.alive(first.secret_digest, alive_since=since, max_guesses=max_guesses)

        self.assertIsNone(await alive())
        await self.open(first)
        self.assertEqual(await alive(), first)
        self.assertIsNone(await alive(since=NOW + 1))
        await self.storage.sessions.take_guess(first.sid)
        self.assertIsNone(await alive(max_guesses=1))

    async def test_of_the_sessions_of_an_address_the_oldest_go(self) -> None:
        others = session(threepid=PHONE, modified=NOW - HOUR)
        await self.open(others)
        opened = [session(modified=NOW + minute) for minute in range(5)]
        for each in opened[:4]:
            await self.storage.sessions.open(each, alive_since=NOW, max_guesses=5, most=3)
        await self.storage.sessions.validate(opened[1].sid, NOW + HOUR)
        await self.storage.sessions.open(opened[4], alive_since=NOW, max_guesses=5, most=3)
        left = [await self.storage.sessions.get(each.sid) is not None for each in opened]
        self.assertEqual(left, [False, True, False, True, True])
        self.assertEqual(await self.storage.sessions.get(others.sid), others)
        again = structs.replace(opened[4], sid="again")
        kept = await self.storage.sessions.open(again, alive_since=NOW, max_guesses=5, most=9)
        self.assertEqual(kept.sid, opened[4].sid)

    async def test_two_requests_at_once_open_one_session(self) -> None:
        first = session()
        second = structs.replace(first, sid="second")
        opened = await together(self.open(first), self.open(second))
        self.assertEqual(opened[0], opened[1])

    async def test_the_highest_attempt_that_was_sent_counts(self) -> None:
        sessions, kept = self.storage.sessions, session()
        await self.open(kept)
        # Clients may count from 0; 10 is greater than 9, although not as a text.
        for attempt, highest in ((0, 0), (9, 9), (10, 10), (9, 10), (-1, 10)):
            await sessions.sent(kept.sid, attempt)
            after = structs.replace(kept, send_attempt=highest)
            self.assertEqual(await sessions.get(kept.sid), after)

    async def test_the_last_three_tokens_are_kept(self) -> None:
        sessions, kept = self.storage.sessions, session()
        await self.open(kept)
        for number, valid in ((1, "d1"), (2, "d2 d1"), (3, "d3 d2 d1"), (4, "d4 d3 d2"), (5, "d5 d4 d3")):
            link = f"https://example.org/{number}" if number % 2 else None
            await sessions.add_token(kept.sid, link, f"d{number}")
            after = structs.replace(kept, next_link=link, token_digests=valid)
            self.assertEqual(await sessions.get(kept.sid), after)
            self.assertEqual(await self.open(structs.replace(kept, sid="other")), after)

    async def test_tokens_that_are_kept_at_once(self) -> None:
        kept = session()
        await self.open(kept)
        add = self.storage.sessions.add_token
        await together(*(add(kept.sid, None, f"d{number}") for number in range(3)))
        after = await self.storage.sessions.get(kept.sid)
        self.assertEqual(sorted(after.token_digests.split()) if after else None, ["d0", "d1", "d2"])

    async def test_every_guess_counts_even_when_many_are_made_at_once(self) -> None:
        kept = session()
        await self.open(kept)
        counts = await together(*(self.storage.sessions.take_guess(kept.sid) for _ in range(20)))
        self.assertEqual(sorted(counts), list(range(1, 21)))

    async def test_validation_counts_as_a_change_the_first_time_only(self) -> None:
        sessions, kept = self.storage.sessions, session()
        await self.open(kept)
        for time in (NOW + 5, NOW + 9):
            await sessions.take_guess(kept.sid)
            await sessions.validate(kept.sid, time)
            after = structs.replace(kept, validated_at=NOW + 5, modified=NOW + 5, guesses=0)
            self.assertEqual(await sessions.get(kept.sid), after)

    async def test_validation_takes_back_no_guess_but_its_own(self) -> None:
        sessions, kept = self.storage.sessions, session()
        await self.open(kept)
        await sessions.take_guess(kept.sid)
        await sessions.take_guess(kept.sid)
        await sessions.validate(kept.sid, NOW)
        self.assertEqual(await sessions.take_guess(kept.sid), 2)

    async def test_what_was_modified_since_is_not_purged(self) -> None:
        old, new = session(modified=NOW - 1), session(modified=NOW)
        await self.open(old)
        await self.open(new)
        await self.storage.sessions.purge(NOW)
        self.assertEqual(await self.storage.sessions.get(new.sid), new)

    def open(self, kept: Session) -> Awaitable[Session]:
        return self.storage.sessions.open(kept, alive_since=kept.modified, max_guesses=5, most=999)

    # Bindings.

    async def test_a_binding_comes_back_as_it_was_published(self) -> None:
        for address in AWKWARD:
            for medium in ("email", "msisdn"):
                published = binding(ThreePid(medium, address))
                await self.storage.bindings.bind(published, "example.org")
                self.assertEqual(await self.storage.bindings.get(ThreePid(medium, address)), published)
        asked = [ThreePid("email", address) for address in AWKWARD]
        self.assertEqual(await self.storage.bindings.users_of(asked), dict.fromkeys(asked, ALICE))

    async def test_what_was_signed_comes_back_byte_by_byte(self) -> None:
        published = structs.replace(binding(), signed=bytes(range(256)))
        await self.storage.bindings.bind(published, "example.org")
        self.assertEqual(await self.storage.bindings.get(EMAIL), published)

    async def test_who_is_behind_many_addresses(self) -> None:
        addresses = [ThreePid(medium, f"{n}") for n in range(10_000) for medium in ("email", "msisdn")]
        for threepid in addresses[::2000]:
            await self.storage.bindings.bind(binding(threepid, f"@{threepid.address}:example.org"), "example.org")
        found = await self.storage.bindings.users_of(addresses)
        self.assertEqual(found, {threepid: f"@{threepid.address}:example.org" for threepid in addresses[::2000]})
        self.assertEqual(await self.storage.bindings.users_of([]), {})

    async def test_an_address_has_one_user(self) -> None:
        await self.storage.bindings.bind(binding(user_id=ALICE), "example.org")
        await self.storage.bindings.bind(binding(user_id=BOB, bound_at=NOW + 1), "example.org")
        self.assertEqual(await self.storage.bindings.get(EMAIL), binding(user_id=BOB, bound_at=NOW + 1))

    async def test_binding_an_address_without_invites_tells_the_homeserver(self) -> None:
        self.assertEqual(await self.storage.bindings.bind(binding(), "example.org"), [])
        (notice,) = await self.claim("onbind")
        self.assertEqual(
            structs.replace(notice, id=""),
            delivery(id="", due=NOW + LEASE),
        )

    async def test_binding_ends_the_invites_of_the_address_and_of_no_other(self) -> None:
        waiting = [invite(created=NOW), invite(created=NOW + 1)]
        others = [invite(PHONE), invite(ThreePid("email", "alice@example.com.evil"))]
        for each in (*waiting, *others):
            await self.add(each)
        ended = await self.storage.bindings.bind(binding(bound_at=NOW + 2), "example.org")
        self.assertEqual(
            ended,
            [
                structs.replace(each, ended="bound", ended_at=NOW + 2, user_id=ALICE, ephemeral_private_key="")
                for each in waiting
            ],
        )
        self.assertEqual([await self.storage.invites.get(each.token) for each in waiting], ended)
        self.assertEqual([await self.storage.invites.get(each.token) for each in others], others)
        self.assertEqual(
            {
                (delivery.token, delivery.user_id, delivery.destination)
                for delivery in await self.claim("onbind", NOW + 2)
            },
            {(each.token, ALICE, "example.org") for each in waiting},
        )

    async def test_ended_invites_are_not_told_again(self) -> None:
        await self.add(invite())
        await self.storage.bindings.bind(binding(), "example.org")
        await self.claim("onbind")
        self.assertEqual(await self.storage.bindings.bind(binding(bound_at=NOW + 1), "example.org"), [])
        self.assertEqual([delivery.token for delivery in await self.claim("onbind", NOW + 1)], [None])

    async def test_a_binding_is_removed_for_its_user_only(self) -> None:
        await self.storage.bindings.bind(binding(), "example.org")
        self.assertFalse(await self.storage.bindings.unbind(EMAIL, BOB))
        self.assertFalse(await self.storage.bindings.unbind(PHONE, ALICE))
        self.assertEqual(await self.storage.bindings.get(EMAIL), binding())
        self.assertTrue(await self.storage.bindings.unbind(EMAIL, ALICE))
        self.assertIsNone(await self.storage.bindings.get(EMAIL))
        self.assertFalse(await self.storage.bindings.unbind(EMAIL, ALICE))

    # Hashes.

    async def test_bindings_are_found_by_hash_under_every_pepper_in_use(self) -> None:
        phone = binding(PHONE, BOB)
        await self.storage.bindings.bind(binding(), "example.org")
        await self.rotate("first")
        await self.storage.bindings.bind(phone, "example.org")
        await self.rotate("second")
        for pepper in ("first", "second"):
            asked = [digest(EMAIL, pepper), digest(PHONE, pepper), "unknown"]
            self.assertEqual(await self.storage.hashes.find(pepper, asked), {asked[0]: ALICE, asked[1]: BOB})
            other = "second" if pepper == "first" else "first"
            self.assertEqual(await self.storage.hashes.find(other, asked), {})

    async def test_the_newest_pepper_is_current_and_old_ones_end(self) -> None:
        self.assertEqual(await self.storage.hashes.peppers(), [])
        await self.storage.bindings.bind(binding(), "example.org")
        for number, name in enumerate(("z", "a", "m")):
            await self.rotate(name, made_at=NOW + number)
        peppers = [Pepper(pepper="m", made_at=NOW + 2), Pepper(pepper="a", made_at=NOW + 1)]
        self.assertEqual(await self.storage.hashes.peppers(), peppers)
        self.assertIsNone(await self.storage.hashes.find("z", [digest(EMAIL, "z")]))
        self.assertIsNone(await self.storage.hashes.find("never", []))
        self.assertEqual(await self.storage.hashes.find("a", []), {})

    async def test_a_pepper_whose_time_has_passed_is_not_prepared(self) -> None:
        await self.rotate("first")
        prepare = self.storage.hashes.prepare
        for pepper, after in (("second", None), ("second", "zeroth"), ("first", "first")):
            self.assertFalse(await prepare(Pepper(pepper=pepper, made_at=NOW), after=after))
            self.assertFalse(await self.storage.hashes.publish(pepper, keep=2))
        self.assertEqual(await self.storage.hashes.peppers(), [Pepper(pepper="first", made_at=NOW)])
        self.assertIsNone(await self.storage.hashes.find("second", []))

    async def test_a_prepared_pepper_is_not_in_use(self) -> None:
        await self.rotate("first")
        await self.storage.bindings.bind(binding(), "example.org")
        self.assertTrue(await self.storage.hashes.prepare(Pepper(pepper="second", made_at=NOW), after="first"))
        self.assertEqual(await self.storage.hashes.peppers(), [Pepper(pepper="first", made_at=NOW)])
        self.assertIsNone(await self.storage.hashes.find("second", [digest(EMAIL, "second")]))
        self.assertTrue(await self.storage.hashes.publish("second", keep=1))
        self.assertFalse(await self.storage.hashes.publish("second", keep=1))
        sought = digest(EMAIL, "second")
        self.assertEqual(await self.storage.hashes.find("second", [sought]), {sought: ALICE})
        self.assertEqual(await self.storage.hashes.peppers(), [Pepper(pepper="second", made_at=NOW)])

    async def test_of_many_who_prepare_a_pepper_at_once_one_publishes_it(self) -> None:
        async def rotate(pepper: Pepper) -> bool:
            prepared = await self.storage.hashes.prepare(pepper, after=None)
            return prepared and await self.storage.hashes.publish(pepper.pepper, keep=2)

        peppers = [Pepper(pepper=f"pepper{number}", made_at=NOW) for number in range(5)]
        done = await together(*(rotate(pepper) for pepper in peppers))
        self.assertEqual(sorted(done), [False] * 4 + [True])
        self.assertEqual(await self.storage.hashes.peppers(), [peppers[done.index(True)]])

    async def test_preparing_takes_in_what_changes_meanwhile(self) -> None:
        bindings = self.storage.bindings
        old, removed, new = ([ThreePid("email", f"{which}{n}") for n in range(1200)] for which in "abc")
        await together(*(bindings.bind(binding(threepid), "example.org") for threepid in old + removed))
        rotation = Deferred.fromCoroutine(self.rotate("pepper"))
        await together(
            *(bindings.bind(binding(threepid), "example.org") for threepid in new),
            *(bindings.bind(binding(threepid, BOB), "example.org") for threepid in old[::2]),
        )
        await together(*(bindings.unbind(threepid, ALICE) for threepid in removed))
        await rotation
        found = await self.storage.hashes.find(
            "pepper", [digest(threepid, "pepper") for threepid in old + removed + new]
        )
        expected = dict.fromkeys(old[::2], BOB) | dict.fromkeys(old[1::2] + new, ALICE)
        self.assertEqual(found, {digest(threepid, "pepper"): user_id for threepid, user_id in expected.items()})

    async def test_the_index_follows_bindings(self) -> None:
        await self.rotate("pepper")
        sought = digest(EMAIL, "pepper")
        await self.storage.bindings.bind(binding(user_id=ALICE), "example.org")
        await self.storage.bindings.bind(binding(user_id=BOB), "example.org")
        self.assertEqual(await self.storage.hashes.find("pepper", [sought]), {sought: BOB})
        await self.storage.bindings.unbind(EMAIL, ALICE)
        self.assertEqual(await self.storage.hashes.find("pepper", [sought]), {sought: BOB})
        await self.storage.bindings.unbind(EMAIL, BOB)
        self.assertEqual(await self.storage.hashes.find("pepper", [sought]), {})

    async def test_all_spellings_of_an_address_are_in_the_index(self) -> None:
        anna, dora = (ThreePid("email", f"{name}@xn--bcher-kva.example") for name in ("anna", "dora"))
        await self.storage.bindings.bind(binding(anna), "example.org")
        await self.rotate("first")
        await self.storage.bindings.bind(binding(dora, BOB), "example.org")
        await self.rotate("second")
        for pepper in ("first", "second"):
            asked = [*digests(anna, pepper), *digests(dora, pepper)]
            self.assertEqual(len(asked), 4)
            found = dict(zip(asked, [ALICE, ALICE, BOB, BOB], strict=True))
            self.assertEqual(await self.storage.hashes.find(pepper, asked), found)
        await self.storage.bindings.unbind(anna, ALICE)
        for pepper in ("first", "second"):
            asked = [*digests(anna, pepper), *digests(dora, pepper)]
            self.assertEqual(await self.storage.hashes.find(pepper, asked), dict.fromkeys(asked[2:], BOB))

    async def test_many_hashes_are_sought_at_once(self) -> None:
        await self.rotate("pepper")
        await self.storage.bindings.bind(binding(), "example.org")
        asked = [f"hash{n}" for n in range(10_000)] + [digest(EMAIL, "pepper")] * 2
        self.assertEqual(await self.storage.hashes.find("pepper", asked), {asked[-1]: ALICE})

    async def test_what_a_source_lists_is_found_and_replaced_as_a_whole(self) -> None:
        await self.rotate("pepper")
        await self.storage.hashes.arrange(["ldap", "sql"])
        await self.lists("ldap", {"one": ALICE, "two": BOB})
        await self.lists("sql", {"three": ALICE})
        asked = ["one", "two", "three", "four"]
        self.assertEqual(await self.found(asked), {"one": ALICE, "two": BOB, "three": ALICE})
        await self.lists("ldap", {"two": ALICE, "four": BOB})
        self.assertEqual(await self.found(asked), {"two": ALICE, "three": ALICE, "four": BOB})
        await self.lists("ldap", {})
        self.assertEqual(await self.found(asked), {"three": ALICE})

    async def test_a_source_may_list_very_many_and_then_others(self) -> None:
        await self.rotate("pepper")
        await self.storage.hashes.arrange(["sql"])
        people = {digest(ThreePid("email", f"{n}"), "pepper"): f"@{n}:example.org" for n in range(7000)}
        digests = list(people)
        few = dict.fromkeys(digests[:10], ALICE)
        others = {digest_: people[digest_] for digest_ in digests[3000:]} | dict.fromkeys(digests[:500], BOB)
        for listed in (people, people, others, few, people, {}):
            await self.lists("sql", listed)
            self.assertEqual(await self.found(digests), listed)

    async def test_a_listing_that_breaks_off_replaces_nothing(self) -> None:
        async def portions() -> AsyncIterator[Portion]:
            for number in range(3):
                yield [((f"hash{number}",), BOB)]
            raise ConnectionError("the directory went away")

        await self.rotate("pepper")
        await self.storage.hashes.arrange(["ldap"])
        await self.lists("ldap", {"one": ALICE})
        with self.assertRaises(ConnectionError):
            await self.storage.hashes.replace("ldap", ["pepper"], portions())
        self.assertEqual(await self.found(["one", "hash1"]), {"one": ALICE})
        await self.lists("ldap", {"two": ALICE})
        self.assertEqual(await self.found(["one", "two", "hash1"]), {"two": ALICE})

    async def test_a_source_lists_under_several_peppers_at_once(self) -> None:
        async def portions() -> AsyncIterator[Portion]:
            yield [(("one", "eins", "un"), ALICE)]
            yield [(("two", "zwei", "deux"), BOB)]

        await self.storage.hashes.arrange(["sql"])
        await self.rotate("english")
        await self.storage.hashes.prepare(Pepper(pepper="german", made_at=NOW), after="english")
        await self.storage.hashes.replace("sql", ["english", "german", "unknown"], portions())
        await self.storage.hashes.publish("german", keep=2)
        asked = ["one", "eins", "un", "two", "zwei", "deux"]
        self.assertEqual(await self.found(asked, "english"), {"one": ALICE, "two": BOB})
        self.assertEqual(await self.found(asked, "german"), {"eins": ALICE, "zwei": BOB})
        self.assertIsNone(await self.storage.hashes.find("unknown", asked))

    async def test_a_source_lists_one_more_until_it_is_replaced(self) -> None:
        await self.rotate("first")
        await self.rotate("second")
        await self.storage.hashes.arrange(["sql", "found"])
        peppers = ["first", "second", "unknown"]
        await self.storage.hashes.add("found", peppers, [(["1", "2", "3"], ALICE)])
        await self.storage.hashes.add("found", peppers, [(["4", "5", "6"], ALICE), (["7", "8", "9"], BOB)])
        await self.storage.hashes.add("found", peppers, [(["4", "5", "6"], BOB)])
        self.assertEqual(await self.found(["1", "2", "4", "7"], "first"), {"1": ALICE, "4": BOB, "7": BOB})
        self.assertEqual(await self.found(["1", "2", "3", "8"], "second"), {"2": ALICE, "8": BOB})
        await self.storage.hashes.add("found", [], [([], ALICE)])
        await self.lists("sql", {})
        self.assertEqual(await self.found(["1"], "first"), {"1": ALICE})
        await self.lists("found", {"7": ALICE}, "first")
        self.assertEqual(await self.found(["1", "4", "7"], "first"), {"7": ALICE})

    async def test_what_is_no_source_lists_nothing_more(self) -> None:
        await self.rotate("pepper")
        await self.storage.hashes.add("found", ["pepper"], [(["1"], ALICE)])
        await self.storage.hashes.arrange(["found"])
        self.assertEqual(await self.found(["1"]), {})
        await self.storage.hashes.add("found", ["pepper"], [(["1"], ALICE)])
        await self.storage.hashes.arrange([])
        await self.storage.hashes.arrange(["found"])
        self.assertEqual(await self.found(["1"]), {})

    async def test_of_several_sources_the_first_counts(self) -> None:
        hashes = self.storage.hashes
        await self.rotate("pepper")
        await hashes.arrange(["z", "a"])
        await self.lists("a", {"one": ALICE, "two": ALICE})
        await self.lists("z", {"one": BOB})
        self.assertEqual(await self.found(["one", "two"]), {"one": BOB, "two": ALICE})
        await hashes.arrange(["a", "z"])
        self.assertEqual(await self.found(["one", "two"]), {"one": ALICE, "two": ALICE})

    async def test_a_source_that_is_no_more_is_forgotten(self) -> None:
        hashes = self.storage.hashes
        await self.rotate("pepper")
        await hashes.arrange(["ldap", "sql"])
        await self.lists("ldap", {"one": ALICE})
        await self.lists("sql", {"two": BOB})
        await hashes.arrange(["sql"])
        await self.lists("ldap", {"three": ALICE})
        for sources in (["sql"], ["sql", "ldap"]):
            await hashes.arrange(sources)
            self.assertEqual(await self.found(["one", "two", "three"]), {"two": BOB})

    async def test_bindings_come_before_what_sources_list(self) -> None:
        await self.rotate("pepper")
        await self.storage.hashes.arrange(["!"])
        sought = digest(EMAIL, "pepper")
        await self.lists("!", {sought: BOB})
        self.assertEqual(await self.found([sought]), {sought: BOB})
        await self.storage.bindings.bind(binding(), "example.org")
        self.assertEqual(await self.found([sought]), {sought: ALICE})
        await self.storage.bindings.unbind(EMAIL, ALICE)
        self.assertEqual(await self.found([sought]), {sought: BOB})

    async def test_listing_under_a_pepper_that_is_no_more_has_no_effect(self) -> None:
        await self.storage.hashes.arrange(["sql"])
        await self.lists("sql", {"one": ALICE})
        self.assertIsNone(await self.storage.hashes.find("pepper", ["one"]))
        await self.rotate("pepper")
        self.assertEqual(await self.found(["one"]), {})

    async def rotate(self, pepper: str, made_at: int = NOW) -> None:
        hashes = self.storage.hashes
        peppers = await hashes.peppers()
        after = peppers[0].pepper if peppers else None
        self.assertTrue(await hashes.prepare(Pepper(pepper=pepper, made_at=made_at), after=after))
        self.assertTrue(await hashes.publish(pepper, keep=2))

    async def lists(self, source: str, entries: Mapping[str, str], pepper: str = "pepper") -> None:
        """Have a source list user IDs by digest, in portions of some hundred."""

        async def portions() -> AsyncIterator[Portion]:
            remaining = iter(entries.items())
            while some := tuple(islice(remaining, 700)):
                yield [((digest_,), user_id) for digest_, user_id in some]

        await self.storage.hashes.replace(source, [pepper], portions())

    async def found(self, digests: Sequence[str], pepper: str = "pepper") -> dict[str, str] | None:
        return await self.storage.hashes.find(pepper, digests)

    # Invites.

    async def test_an_invite_comes_back_as_it_was_kept(self) -> None:
        fields = {"room_name": "Räume 🙂", "nested": {"empty": {}, "list": [], "number": 1.0, "null": None}, "": ""}
        for number, address in enumerate(AWKWARD):
            kept = invite(
                ThreePid("email", address),
                sender=f"@{address}:example.org",
                fields=fields,
                remote_due=7,
                proven=True,
                only_key=f"ed25519:{number}" if number % 2 else None,
                key_id=None if number % 2 else f"ed25519:{number}",
            )
            self.assertEqual(await self.add(kept), kept)
            back = await self.storage.invites.get(kept.token)
            self.assertEqual(back, kept)
            self.assertIs(back and back.proven, True)
            self.assertEqual(await self.storage.invites.pending(kept.threepid), [kept])
        self.assertIsNone(await self.storage.invites.get("none"))

    async def test_a_new_invite_has_a_message_to_send(self) -> None:
        kept = invite(PHONE, created=NOW)
        await self.add(kept)
        (message,) = await self.claim("message")
        self.assertEqual(
            structs.replace(message, id=""),
            delivery(
                PHONE, id="", kind="message", destination="msisdn", token=kept.token, user_id=None, due=NOW + LEASE
            ),
        )

    async def test_a_reminder_waits_for_its_time(self) -> None:
        await self.storage.invites.add(invite(), resend_before=NOW, reminder_due=NOW + HOUR)
        self.assertEqual(await self.claim("reminder", NOW + HOUR - 1), [])
        (reminder,) = await self.claim("reminder", NOW + HOUR)
        self.assertEqual((reminder.created, reminder.destination), (NOW + HOUR, "email"))

    async def test_an_ended_invite_has_no_reminder(self) -> None:
        kept = invite()
        await self.storage.invites.add(kept, resend_before=NOW, reminder_due=NOW + HOUR)
        await self.storage.invites.end(kept.token, "expired", None, None, NOW)
        self.assertEqual(await self.claim("reminder", NOW + HOUR), [])

    async def test_the_same_invite_again_is_the_one_there_is(self) -> None:
        first = invite(notified_at=NOW)
        await self.add(first)
        await self.deliver_message()
        again = structs.replace(
            first, token="again", ephemeral_public_key="again", created=NOW + 1, notified_at=NOW + 1
        )
        self.assertEqual(await self.storage.invites.add(again, resend_before=NOW), first)
        self.assertIsNone(await self.storage.invites.get("again"))
        self.assertEqual(await self.claim("message", NOW + 1), [])

    async def test_the_same_invite_much_later_sends_a_message_again(self) -> None:
        first = invite(notified_at=NOW)
        await self.add(first)
        await self.deliver_message()
        later = structs.replace(first, token="later", ephemeral_public_key="later", created=NOW + HOUR)
        reminded = structs.replace(first, notified_at=NOW + HOUR)
        self.assertEqual(await self.storage.invites.add(later, resend_before=NOW + 1), reminded)
        self.assertEqual(await self.storage.invites.get(first.token), reminded)
        self.assertEqual([message.token for message in await self.claim("message", NOW + HOUR)], [first.token])

    async def test_a_message_that_has_not_left_yet_is_not_queued_twice(self) -> None:
        first = invite(notified_at=NOW)
        await self.add(first)
        later = structs.replace(first, token="later", ephemeral_public_key="later", created=NOW + HOUR)
        await self.storage.invites.add(later, resend_before=NOW + 1)
        self.assertEqual(len(await self.storage.outbox.of_invite(first.token)), 1)

    async def test_a_proven_invite_takes_the_place_of_what_anybody_may_have_sent(self) -> None:
        anybodys = invite(fields={"room_name": "Win a car"})
        await self.add(anybodys)
        await self.deliver_message()
        senders = structs.replace(anybodys, token="2", ephemeral_public_key="2", fields={"room_name": "r"}, proven=True)
        proven = structs.replace(anybodys, fields={"room_name": "r"}, proven=True)
        self.assertEqual(await self.storage.invites.add(senders, resend_before=NOW - HOUR), proven)
        self.assertEqual([message.token for message in await self.claim("message")], [anybodys.token])
        again = structs.replace(anybodys, token="3", ephemeral_public_key="3")
        self.assertEqual(await self.storage.invites.add(again, resend_before=NOW - HOUR), proven)
        self.assertEqual(await self.storage.invites.pending(anybodys.threepid), [proven])
        self.assertEqual(await self.claim("message"), [])

    async def test_invites_differ_by_address_room_and_sender(self) -> None:
        first = invite()
        await self.add(first)
        for changes in (
            {"room_id": "!another:example.org"},
            {"sender": ALICE},
            {"threepid": BOBS},
            {"threepid": SAME_TEXT},
        ):
            new = invite(room_id=first.room_id)
            other = structs.replace(new, **changes)
            self.assertEqual(await self.add(other), other)

    async def test_the_same_invite_at_once_is_kept_once(self) -> None:
        first = invite()
        second = structs.replace(first, token="second", ephemeral_public_key="second")
        kept = await together(self.add(first), self.add(second))
        self.assertEqual(kept[0], kept[1])
        self.assertEqual(len(await self.claim("message")), 1)

    async def test_an_invite_with_a_taker_is_given_at_once(self) -> None:
        new = invite()
        given = await self.give(new)
        ended = structs.replace(new, ended="resolved", ended_at=NOW, user_id=ALICE, ephemeral_private_key="")
        self.assertEqual(given, ended)
        self.assertEqual(await self.storage.invites.get(new.token), ended)
        self.assertEqual(await self.storage.invites.pending(EMAIL), [])
        self.assertEqual(await self.storage.invites.claim_due(NOW + HOUR, NOW + HOUR, 9), [])
        for kind in ("message", "reminder"):
            self.assertEqual(await self.claim(kind, NOW + HOUR), [])
        self.assertEqual(await self.claim("onbind", NOW + 1999), [])
        (told,) = await self.claim("onbind", NOW + 2000)
        self.assertEqual((told.token, told.user_id, told.destination), (new.token, ALICE, "example.org"))
        self.assertEqual((told.created, told.threepid), (NOW + 2000, EMAIL))
        self.assertTrue(await self.storage.invites.has_ephemeral_key(new.ephemeral_public_key))
        self.assertEqual(
            [each.token for each in await self.storage.invites.page(ended=True, offset=0, limit=9)], [new.token]
        )

    async def test_a_pending_invite_is_given_to_a_taker(self) -> None:
        first = invite()
        await self.add(first)
        given = await self.give(structs.replace(first, token="again", ephemeral_public_key="again", created=NOW + 1))
        self.assertEqual((given.token, given.ended, given.ended_at), (first.token, "resolved", NOW + 1))
        self.assertIsNone(await self.storage.invites.get("again"))
        (message,) = [each for each in await self.storage.outbox.of_invite(first.token) if each.kind == "message"]
        self.assertEqual(message.state, "abandoned")
        self.assertEqual([each.token for each in await self.claim("onbind", NOW + 2000)], [first.token])

    async def test_a_homeserver_that_asks_again_gets_what_was_given(self) -> None:
        first = invite(created=NOW)
        given = await self.give(first)
        again = structs.replace(first, token="again", ephemeral_public_key="again", created=NOW + 1)
        for taker in (self.taker(), None):
            self.assertEqual(await self.storage.invites.add(again, resend_before=NOW, taker=taker), given)
        self.assertIsNone(await self.storage.invites.get("again"))
        self.assertEqual(await self.claim("message", NOW + HOUR), [])
        self.assertEqual(len(await self.claim("onbind", NOW + HOUR)), 1)
        # To another user, for another room, or much later, it is another invite.
        for number, (room_id, resend_before, user_id) in enumerate(
            ((first.room_id, NOW, BOB), ("!other", NOW, ALICE), (first.room_id, NOW + 2, ALICE))
        ):
            token = f"other{number}"
            other = structs.replace(again, token=token, ephemeral_public_key=token, room_id=room_id)
            taker = structs.replace(self.taker(), user_id=user_id)
            kept = await self.storage.invites.add(other, resend_before=resend_before, taker=taker)
            self.assertEqual((kept.token, kept.user_id), (token, user_id))

    async def test_the_same_invite_is_given_once_at_once(self) -> None:
        first = invite()
        given = await together(
            *(self.give(structs.replace(first, token=f"t{n}", ephemeral_public_key=f"k{n}")) for n in range(5))
        )
        self.assertEqual(len({each.token for each in given}), 1)
        self.assertEqual(len(await self.claim("onbind", NOW + HOUR)), 1)

    async def test_what_was_given_is_forgotten_in_time(self) -> None:
        first = invite()
        await self.give(first)
        (told,) = await self.claim("onbind", NOW + 2000)
        await self.storage.outbox.close(told, "done", "200", NOW + 2000)
        self.assertEqual(await self.storage.invites.purge(NOW + 1), 1)
        again = structs.replace(first, token="again")
        self.assertEqual(await self.storage.invites.add(again, resend_before=NOW), again)

    async def test_who_signed_an_invite_is_kept(self) -> None:
        first = invite()
        await self.storage.invites.add(first, resend_before=0, reminder_due=NOW + HOUR)
        signed = await self.storage.invites.sign(first.token, ALICE, NOW + 1, 2)
        self.assertEqual(signed, structs.replace(first, signed_by={ALICE: NOW + 1}))
        self.assertEqual(await self.storage.invites.pending(EMAIL), [signed])
        states = {each.kind: each.state for each in await self.storage.outbox.of_invite(first.token)}
        self.assertEqual(states, {"message": "abandoned", "reminder": "abandoned"})
        for user_id, now in ((BOB, NOW + 2), (ALICE, NOW + 3)):
            signed = await self.storage.invites.sign(first.token, user_id, now, 2)
        self.assertEqual(signed, structs.replace(first, signed_by={ALICE: NOW + 3, BOB: NOW + 2}))
        for token, user_id in ((first.token, "@carol:example.org"), ("none", ALICE)):
            self.assertIsNone(await self.storage.invites.sign(token, user_id, NOW + 4, 2))
        self.assertEqual(await self.storage.invites.get(first.token), signed)
        odd = "@o\"'\\/{}: é🙂:example.org"
        other = invite()
        await self.add(other)
        signed = await self.storage.invites.sign(other.token, odd, NOW, 1)
        self.assertEqual(signed and signed.signed_by, {odd: NOW})

    async def test_an_ended_invite_can_be_signed(self) -> None:
        first = invite()
        await self.add(first)
        ended = await self.storage.invites.end(first.token, "resolved", BOB, "example.org", NOW)
        assert ended is not None
        signed = structs.replace(ended, signed_by={ALICE: NOW})
        self.assertEqual(await self.storage.invites.sign(first.token, ALICE, NOW, 9), signed)
        self.assertEqual(len(await self.claim("onbind")), 1)

    async def test_a_signed_invite_is_accepted_by_its_signer(self) -> None:
        for number in range(4):
            kept = invite(ThreePid("email", f"{number}@example.com"))
            await self.add(kept)
            await self.storage.invites.sign(kept.token, BOB, NOW, 9)
            signed = await self.storage.invites.sign(kept.token, ALICE, NOW, 9)
            assert signed is not None
            match number:
                case 0:
                    ended = await self.storage.invites.end(kept.token, "resolved", ALICE, "example.org", NOW)
                case 1:
                    ended = await self.give(structs.replace(kept, token="new", ephemeral_public_key="new"))
                case 2:
                    (ended,) = await self.storage.bindings.bind(binding(kept.threepid, ALICE), "example.org")
                case _:
                    ended = await self.storage.invites.end(kept.token, "accepted", ALICE, None, NOW)
            accepted = structs.replace(signed, ended="accepted", ended_at=NOW, user_id=ALICE, ephemeral_private_key="")
            self.assertEqual(ended, accepted)
            self.assertEqual(await self.storage.invites.get(kept.token), accepted)
            self.assertEqual(await self.storage.invites.pending(kept.threepid), [])
        # The homeserver is told of the binding all the same.
        self.assertEqual([told.token for told in await self.claim("onbind", NOW + HOUR)], [None])

    async def test_an_invite_of_an_own_address_is_accepted(self) -> None:
        own, other = invite(sender=ALICE), invite(sender=BOB, created=NOW + 1)
        for each in (own, other):
            await self.add(each)
        ended = await self.storage.bindings.bind(binding(), "example.org")
        self.assertEqual([each.ended for each in ended], ["accepted", "bound"])
        self.assertEqual([told.token for told in await self.claim("onbind")], [other.token])

    async def test_a_signed_invite_is_given_to_another(self) -> None:
        for number in range(3):
            kept = invite(ThreePid("email", f"{number}@example.com"))
            await self.add(kept)
            await self.storage.invites.sign(kept.token, BOB, NOW, 9)
            match number:
                case 0:
                    await self.storage.invites.end(kept.token, "resolved", ALICE, "example.org", NOW)
                case 1:
                    await self.give(structs.replace(kept, token="new", ephemeral_public_key="new"))
                case _:
                    await self.storage.bindings.bind(binding(kept.threepid, ALICE), "example.org")
            (told,) = await self.claim("onbind", NOW + 2000)
            self.assertEqual((told.token, told.user_id), (kept.token, ALICE))

    async def test_of_several_invites_the_signed_one_is_not_told(self) -> None:
        signed, other = invite(), invite(created=NOW + 1)
        await self.add(signed)
        await self.add(other)
        await self.storage.invites.sign(signed.token, ALICE, NOW, 9)
        ended = await self.storage.bindings.bind(binding(), "example.org")
        self.assertEqual(
            [(each.token, each.ended) for each in ended], [(signed.token, "accepted"), (other.token, "bound")]
        )
        self.assertEqual([told.token for told in await self.claim("onbind")], [other.token])

    def taker(self) -> Taker:
        return Taker(user_id=ALICE, destination="example.org", due=NOW + 2000)

    def give(self, kept: Invite) -> Awaitable[Invite]:
        return self.storage.invites.add(kept, resend_before=NOW - HOUR, reminder_due=NOW, taker=self.taker())

    async def test_an_ended_invite_does_not_stand_in_the_way_of_a_new_one(self) -> None:
        first = invite()
        await self.add(first)
        await self.storage.invites.end(first.token, "expired", None, None, NOW)
        second = structs.replace(first, token="second", ephemeral_public_key="second")
        self.assertEqual(await self.add(second), second)
        self.assertEqual(await self.storage.invites.pending(EMAIL), [second])

    async def test_the_pending_invites_of_an_address_come_oldest_first(self) -> None:
        kept = [invite(created=NOW + offset) for offset in (2, 0, 1)]
        for each in kept:
            await self.add(each)
        await self.add(invite(PHONE))
        self.assertEqual(await self.storage.invites.pending(EMAIL), [kept[1], kept[2], kept[0]])

    async def test_ephemeral_keys_are_known_even_after_the_end(self) -> None:
        kept = invite(ephemeral_public_key="ab+/")
        await self.add(kept)
        self.assertTrue(await self.storage.invites.has_ephemeral_key("ab+/"))
        self.assertFalse(await self.storage.invites.has_ephemeral_key("ab-_"))
        await self.storage.invites.end(kept.token, "cancelled", None, None, NOW)
        self.assertTrue(await self.storage.invites.has_ephemeral_key("ab+/"))

    async def test_an_invite_ends_once(self) -> None:
        kept = invite()
        await self.add(kept)
        ended = structs.replace(kept, ended="resolved", ended_at=NOW + 1, user_id=ALICE, ephemeral_private_key="")
        ends = await together(
            *(self.storage.invites.end(kept.token, "resolved", ALICE, "example.org", NOW + 1) for _ in range(3))
        )
        self.assertEqual([end for end in ends if end is not None], [ended])
        self.assertEqual(await self.storage.invites.get(kept.token), ended)
        self.assertEqual(await self.storage.invites.pending(EMAIL), [])
        self.assertEqual([delivery.token for delivery in await self.claim("onbind", NOW + 1)], [kept.token])
        self.assertIsNone(await self.storage.invites.end("none", "resolved", ALICE, "example.org", NOW))

    async def test_invites_of_many_addresses_are_resolved_at_once(self) -> None:
        first, second = invite(), invite(room_id="!other:example.org", created=NOW + 1)
        signed, of_nobody = invite(PHONE), invite(ThreePid("email", "nobody@example.com"))
        for each in (first, second, signed, of_nobody):
            await self.add(each)
        await self.storage.invites.sign(signed.token, ALICE, NOW, 1)
        users = [(EMAIL, ALICE, "example.org"), (PHONE, ALICE, "example.org"), (ThreePid("email", "x@y"), ALICE, "a")]
        resolved = await self.storage.invites.resolve(users, NOW + 2)
        self.assertEqual(
            {each.token: (each.ended, each.ended_at, each.user_id) for each in resolved},
            {
                first.token: ("resolved", NOW + 2, ALICE),
                second.token: ("resolved", NOW + 2, ALICE),
                signed.token: ("accepted", NOW + 2, ALICE),
            },
        )
        for each in resolved:
            self.assertEqual(await self.storage.invites.get(each.token), each)
        self.assertEqual(await self.storage.invites.pending(EMAIL), [])
        self.assertEqual(await self.storage.invites.pending(of_nobody.threepid), [of_nobody])
        told = await self.claim("onbind", NOW + 2)
        self.assertEqual({delivery.token for delivery in told}, {first.token, second.token})
        self.assertEqual({delivery.token for delivery in await self.claim("message")}, {of_nobody.token})
        self.assertEqual(await self.storage.invites.resolve(users, NOW + 3), [])

    async def test_a_cancelled_invite_sends_nothing(self) -> None:
        kept = invite()
        await self.add(kept)
        ended = await self.storage.invites.end(kept.token, "cancelled", None, None, NOW)
        self.assertEqual(
            ended, structs.replace(kept, ended="cancelled", ended_at=NOW, user_id=None, ephemeral_private_key="")
        )
        self.assertEqual(await self.claim("onbind"), [])
        self.assertEqual(await self.claim("message"), [])
        (message,) = await self.storage.outbox.of_invite(kept.token)
        self.assertEqual(message.state, "abandoned")
        self.assertIn("cancelled", message.answer or "")

    async def test_a_message_under_way_at_the_end_has_no_say_any_more(self) -> None:
        kept = invite()
        await self.add(kept)
        (message,) = await self.claim("message")
        await self.storage.invites.end(kept.token, "expired", None, None, NOW)
        self.assertFalse(await self.storage.outbox.close(message, "done", "250 OK", NOW))
        self.assertEqual(await self.claim("message", NOW + LEASE), [])

    async def test_due_invites_are_taken_the_longest_due_first(self) -> None:
        kept = {offset: invite(due=NOW + offset) for offset in (1, -1, 0, -2)}
        for each in kept.values():
            await self.add(each)
        due = [structs.replace(kept[offset], due=NOW + HOUR) for offset in (-2, -1, 0)]
        self.assertEqual(await self.storage.invites.claim_due(NOW, NOW + HOUR, 2), due[:2])
        self.assertEqual(await self.storage.invites.claim_due(NOW, NOW + HOUR, 2), due[2:])
        self.assertEqual(await self.storage.invites.claim_due(NOW, NOW + HOUR, 2), [])
        self.assertEqual(await self.storage.invites.get(due[0].token), due[0])
        again = await self.storage.invites.claim_due(NOW + HOUR, NOW + 2 * HOUR, 10)
        self.assertEqual(again[0].token, kept[1].token)
        self.assertEqual(len(again), 4)

    async def test_ended_invites_are_not_due(self) -> None:
        kept = [invite(), invite(PHONE)]
        for each in kept:
            await self.add(each)
        await self.storage.invites.end(kept[0].token, "cancelled", None, None, NOW)
        await self.storage.bindings.bind(binding(PHONE), "example.org")
        self.assertEqual(await self.storage.invites.claim_due(NOW + HOUR, NOW + 2 * HOUR, 10), [])

    async def test_due_work_is_shared_not_doubled(self) -> None:
        kept = [invite() for _ in range(20)]
        for each in kept:
            await self.add(each)
        claims = await together(*(self.storage.invites.claim_due(NOW, NOW + HOUR, 6) for _ in range(5)))
        taken = [each.token for claim in claims for each in claim]
        self.assertEqual(sorted(taken), sorted(each.token for each in kept))

    async def test_misses_of_remote_sources_add_up(self) -> None:
        first, second = invite(), invite()
        await self.add(first)
        await self.add(second)
        await self.storage.invites.missed_remotely({first.token: NOW + 1, "none": NOW})
        await self.storage.invites.missed_remotely({first.token: NOW + 3, second.token: NOW + 2})
        for kept, remote_due, misses in ((first, NOW + 3, 2), (second, NOW + 2, 1)):
            expected = structs.replace(kept, remote_due=remote_due, remote_misses=misses)
            self.assertEqual(await self.storage.invites.get(kept.token), expected)
        self.assertIsNone(await self.storage.invites.get("none"))
        await self.storage.invites.missed_remotely({})

    async def test_pages_of_pending_and_ended_invites(self) -> None:
        kept = [invite(created=NOW + number) for number in range(5)]
        for each in kept:
            await self.add(each)
        for number, offset in ((3, 10), (1, 20)):
            await self.storage.invites.end(kept[number].token, "expired", None, None, NOW + offset)
        invites = self.storage.invites
        pending = await invites.page(ended=False, offset=0, limit=2)
        pending += await invites.page(ended=False, offset=2, limit=2)
        self.assertEqual(pending, [kept[0], kept[2], kept[4]])
        ended = await invites.page(ended=True, offset=0, limit=1) + await invites.page(ended=True, offset=1, limit=5)
        self.assertEqual([each.token for each in ended], [kept[1].token, kept[3].token])
        self.assertEqual(await invites.page(ended=True, offset=2, limit=5), [])

    async def test_the_history_is_forgotten_in_time(self) -> None:
        old, new, pending, unsettled = (invite(ephemeral_public_key=f"key{n}") for n in range(4))
        for each in (old, new, pending, unsettled):
            await self.add(each)
        await self.storage.invites.end(old.token, "cancelled", None, None, NOW - 1)
        await self.storage.invites.end(new.token, "cancelled", None, None, NOW)
        await self.storage.invites.end(unsettled.token, "resolved", ALICE, "example.org", NOW - 1)
        self.assertEqual(await self.storage.invites.purge(NOW), 1)
        self.assertIsNone(await self.storage.invites.get(old.token))
        self.assertEqual(await self.storage.outbox.of_invite(old.token), [])
        self.assertFalse(await self.storage.invites.has_ephemeral_key("key0"))
        for each in (new, pending, unsettled):
            self.assertIsNotNone(await self.storage.invites.get(each.token))
        self.assertTrue(await self.storage.invites.has_ephemeral_key("key1"))
        (delivery,) = await self.claim("onbind")
        await self.storage.outbox.close(delivery, "done", "200", NOW)
        self.assertEqual(await self.storage.invites.purge(NOW), 1)
        self.assertEqual(await self.storage.invites.purge(NOW), 0)
        self.assertEqual(
            [each.token for each in await self.storage.invites.page(ended=True, offset=0, limit=10)], [new.token]
        )

    async def test_a_long_history_is_forgotten_at_once(self) -> None:
        for _ in range(50):
            kept = invite()
            await self.add(kept)
            await self.storage.invites.end(kept.token, "cancelled", None, None, NOW)
        self.assertEqual(await self.storage.invites.purge(NOW + 1), 50)

    def add(self, kept: Invite) -> Awaitable[Invite]:
        return self.storage.invites.add(kept, resend_before=NOW - HOUR)

    async def deliver_message(self) -> None:
        (message,) = await self.claim("message")
        await self.storage.outbox.close(message, "done", "250 OK", NOW)

    # Outbox.

    async def test_deliveries_are_taken_the_longest_due_first(self) -> None:
        for number, offset in enumerate((2, 0, 1, 3)):
            await self.queue(f"{number}", NOW + offset)
        taken = await self.claim("onbind", NOW + 2, limit=2)
        self.assertEqual(addresses(taken), ["1", "2"])
        self.assertEqual(addresses(await self.claim("onbind", NOW + 2)), ["0"])
        self.assertEqual(addresses(await self.claim("onbind", NOW + 3)), ["3"])

    async def test_each_kind_has_a_queue_of_its_own(self) -> None:
        await self.add(invite())
        await self.queue("a", NOW)
        self.assertEqual(len(await self.claim("message")), 1)
        self.assertEqual(len(await self.claim("onbind")), 1)

    async def test_a_claimed_delivery_is_nobody_elses_until_the_lease_ends(self) -> None:
        await self.queue("a", NOW)
        claims = await together(*(self.claim("onbind") for _ in range(5)))
        self.assertEqual(sorted(len(claim) for claim in claims), [0, 0, 0, 0, 1])
        self.assertEqual(await self.claim("onbind", NOW + LEASE - 1), [])
        (again,) = await self.claim("onbind", NOW + LEASE)
        self.assertEqual((again.attempts, again.lost, again.due), (2, 1, NOW + 2 * LEASE))

    async def test_whose_claim_has_passed_on_has_no_say(self) -> None:
        await self.queue("a", NOW)
        (stale,) = await self.claim("onbind")
        (fresh,) = await self.claim("onbind", NOW + LEASE)
        outbox = self.storage.outbox
        self.assertFalse(await outbox.close(stale, "done", "200", NOW))
        self.assertFalse(await outbox.retry(stale, NOW, "503"))
        await outbox.renew([stale], NOW + 10 * LEASE)
        (again,) = await self.claim("onbind", fresh.due)
        self.assertTrue(await outbox.close(again, "done", "200", NOW))
        self.assertFalse(await outbox.close(again, "refused", "403", NOW))
        self.assertFalse(await outbox.retry(again, NOW, "503"))

    async def test_a_renewed_claim_lasts(self) -> None:
        await self.queue("a", NOW)
        await self.queue("b", NOW)
        claimed = await self.claim("onbind")
        await self.storage.outbox.renew(claimed, NOW + 3 * LEASE)
        self.assertEqual(await self.claim("onbind", NOW + 3 * LEASE - 1), [])
        self.assertEqual(await self.next_due("onbind"), NOW + 3 * LEASE)
        self.assertEqual(len(await self.claim("onbind", NOW + 3 * LEASE)), 2)
        await self.storage.outbox.renew([], NOW)

    async def test_a_lease_is_not_made_shorter(self) -> None:
        await self.queue("a", NOW)
        (claimed,) = await self.claim("onbind")
        for until in (NOW + HOUR, NOW + LEASE + 1, NOW):
            await self.storage.outbox.renew([claimed], until)
            self.assertEqual(await self.next_due("onbind"), NOW + HOUR)
        self.assertEqual(await self.claim("onbind", NOW + HOUR - 1), [])
        (again,) = await self.claim("onbind", NOW + HOUR)
        self.assertEqual((again.attempts, again.lost), (2, 1))

    async def test_an_answered_attempt_is_not_a_lost_one(self) -> None:
        await self.queue("a", NOW)
        (first,) = await self.claim("onbind")
        self.assertTrue(await self.storage.outbox.retry(first, NOW + 5, "503 busy"))
        self.assertEqual(await self.claim("onbind", NOW + 4), [])
        (second,) = await self.claim("onbind", NOW + 5)
        self.assertEqual((second.attempts, second.lost, second.errors, second.answer), (2, 0, 0, "503 busy"))

    async def test_failures_are_counted_by_their_kind(self) -> None:
        await self.queue("a", NOW)
        for count_, lost, errors in (("lost", 1, 0), ("errors", 1, 1), ("errors", 1, 2), (None, 1, 2)):
            (claimed,) = await self.claim("onbind")
            await self.storage.outbox.retry(claimed, NOW, "why", count_)  # type: ignore[arg-type]  # a Literal
            (claimed,) = await self.claim("onbind")
            self.assertEqual((claimed.lost, claimed.errors), (lost, errors))
            await self.storage.outbox.retry(claimed, NOW, "why")

    async def test_a_claim_that_ran_out_adds_to_what_was_lost_before(self) -> None:
        await self.queue("a", NOW)
        (claimed,) = await self.claim("onbind")
        await self.storage.outbox.retry(claimed, NOW, "no answer", "lost")
        await self.claim("onbind")
        (claimed,) = await self.claim("onbind", NOW + LEASE)
        self.assertEqual((claimed.attempts, claimed.lost), (3, 2))

    async def test_one_destination_does_not_take_all(self) -> None:
        for number in range(5):
            await self.queue(f"slow{number}", NOW, "slow.example")
        for number in range(2):
            await self.queue(f"fast{number}", NOW + 1, "fast.example")
        taken = await self.claim("onbind", NOW + 1, per_destination=3)
        self.assertEqual(addresses(taken), ["slow0", "slow1", "slow2", "fast0", "fast1"])
        taken = await self.claim("onbind", NOW + 1, busy={"slow.example": 3}, per_destination=3)
        self.assertEqual(taken, [])
        taken = await self.claim("onbind", NOW + 1, busy={"slow.example": 2}, per_destination=3)
        self.assertEqual(addresses(taken), ["slow3"])

    async def test_senders_take_turns(self) -> None:
        many = [invite(sender=ALICE, created=NOW - 100 + n) for n in range(90)]
        for each in many:
            await self.add(each)
        few = [invite(sender=BOB, created=NOW), invite(sender="@carol:elsewhere.example", created=NOW)]
        for each in (few[0], few[1], invite(sender=BOB, created=NOW)):
            await self.add(each)
        taken = [each.token for each in await self.claim("message", limit=5, per_destination=99)]
        self.assertEqual(taken, [many[0].token, few[0].token, few[1].token, many[1].token, taken[4]])
        # All come in the end.
        rest = await self.claim("message", limit=999, per_destination=999)
        self.assertEqual(len(rest), 93 - 5)

    async def test_so_do_homeservers(self) -> None:
        for number in range(40):
            await self.add(invite(sender=f"@u{number}:many.example", created=NOW - 100))
        other = invite(sender="@carol:elsewhere.example", created=NOW)
        await self.add(other)
        taken = await self.claim("message", limit=5, per_destination=99)
        self.assertIn(other.token, [each.token for each in taken])

    async def test_turns_end_with_what_was_queued_before(self) -> None:
        first = [invite(sender=ALICE) for _ in range(3)]
        for each in first:
            await self.add(each)
        for message in await self.claim("message"):
            await self.storage.outbox.close(message, "done", "250 OK", NOW)
        later = [invite(sender=ALICE, created=NOW + 1), invite(sender=BOB, created=NOW + 2)]
        for each in later:
            await self.add(each)
        taken = await self.claim("message", NOW + 2)
        self.assertEqual([each.token for each in taken], [each.token for each in later])

    async def test_onbinds_take_turns_too(self) -> None:
        many = [invite(sender=BOB, created=NOW - 9) for _ in range(20)]
        for each in many:
            await self.add(each)
        await self.storage.bindings.bind(binding(bound_at=NOW - 9), "example.org")
        other = invite(PHONE, created=NOW - 9)
        await self.add(other)
        await self.storage.invites.end(other.token, "resolved", ALICE, "example.org", NOW)
        taken = await self.claim("onbind", limit=2)
        self.assertEqual({each.token for each in taken}, {taken[0].token, other.token})
        await self.storage.invites.end(other.token, "resolved", ALICE, "example.org", NOW)

    async def test_a_blocked_destination_does_not_hide_the_others(self) -> None:
        for number in range(300):
            await self.queue(f"{number}", NOW, f"{number % 60}.example")
        await self.queue("last", NOW + 1, "free.example")
        busy = {f"{number}.example": 4 for number in range(60)}
        taken = await self.claim("onbind", NOW + 1, busy=busy, limit=1)
        self.assertEqual(addresses(taken), ["last"])

    async def test_when_the_next_delivery_is_due(self) -> None:
        outbox = self.storage.outbox
        self.assertIsNone(await self.next_due("onbind"))
        await self.queue("a", NOW + 7, "one.example")
        await self.queue("b", NOW + 5, "two.example")
        self.assertEqual(await self.next_due("onbind"), NOW + 5)
        self.assertIsNone(await self.next_due("message"))
        (claimed,) = await self.claim("onbind", NOW + 5)
        self.assertEqual(await self.next_due("onbind"), NOW + 7)
        await outbox.retry(claimed, NOW + 6, "503")
        self.assertEqual(await self.next_due("onbind"), NOW + 6)
        for claimed in await self.claim("onbind", NOW + 7):
            await outbox.close(claimed, "done", "200", NOW + 7)
        self.assertIsNone(await self.next_due("onbind"))

    async def test_deliveries_come_with_the_invites_that_they_are_about(self) -> None:
        outbox = self.storage.outbox
        first, second = invite(fields={"room_name": "Räume"}), invite()
        for each in (first, second):
            await self.storage.invites.add(each, resend_before=NOW, reminder_due=NOW + 5)
        claimed = await outbox.claim("message", NOW, LEASE, 10, {}, 10)
        self.assertEqual({each.token for each in claimed.deliveries}, {first.token, second.token})
        self.assertEqual(claimed.invites, {first.token: first, second.token: second})
        self.assertEqual(claimed.next_due, NOW + LEASE)
        ended = await self.storage.invites.end(first.token, "resolved", ALICE, "example.org", NOW)
        await self.queue("nobody@example.com", NOW)
        claimed = await outbox.claim("onbind", NOW, LEASE, 10, {}, 10)
        self.assertEqual({each.token for each in claimed.deliveries}, {first.token, None})
        self.assertEqual(claimed.invites, {first.token: ended})

    async def test_all_about_an_invite(self) -> None:
        kept = invite()
        await self.add(kept)
        (message,) = await self.claim("message")
        await self.storage.outbox.close(message, "refused", "550 nö", NOW + 1)
        await self.storage.invites.end(kept.token, "resolved", ALICE, "example.org", NOW + 2)
        message, onbind = await self.storage.outbox.of_invite(kept.token)
        self.assertEqual((message.kind, message.state, message.answer), ("message", "refused", "550 nö"))
        self.assertEqual((onbind.kind, onbind.state, onbind.attempts), ("onbind", "queued", 0))
        self.assertEqual(await self.storage.outbox.of_invite("none"), [])

    async def test_what_waits_is_counted_by_kind(self) -> None:
        self.assertEqual(await self.storage.outbox.waiting(), [])
        for destination, due in (("a.example.org", NOW + 5), ("b.example.org", NOW + 2), ("a.example.org", NOW + 9)):
            await self.queue(destination, due)
        await self.add(invite(created=NOW + 1))
        waiting = {each.kind: each for each in await self.storage.outbox.waiting()}
        self.assertEqual(waiting.keys(), {"onbind", "message"})
        self.assertEqual((waiting["onbind"].number, waiting["onbind"].due), (3, NOW + 2))
        self.assertEqual(waiting["message"].number, 1)
        # What is claimed is still to be done.
        (claimed, *_) = (await self.storage.outbox.claim("onbind", NOW + 2, LEASE, 1, {}, 1)).deliveries
        waiting = {each.kind: each for each in await self.storage.outbox.waiting()}
        self.assertEqual((waiting["onbind"].number, waiting["onbind"].due), (3, NOW + 5))
        await self.storage.outbox.close(claimed, "done", "200", NOW + 3)
        waiting = {each.kind: each for each in await self.storage.outbox.waiting()}
        self.assertEqual(waiting["onbind"].number, 2)

    async def test_invites_are_counted(self) -> None:
        self.assertEqual(await self.storage.invites.count(), (0, 0))
        first, second = invite(), invite()
        await self.add(first)
        await self.add(second)
        self.assertEqual(await self.storage.invites.count(), (2, 0))
        await self.storage.invites.end(first.token, "cancelled", None, None, NOW)
        self.assertEqual(await self.storage.invites.count(), (1, 1))

    async def test_what_is_about_no_invite_does_not_stay(self) -> None:
        await self.queue("a", NOW)
        (claimed,) = await self.claim("onbind")
        self.assertTrue(await self.storage.outbox.close(claimed, "refused", "403", NOW))
        self.assertFalse(await self.storage.outbox.close(claimed, "done", "200", NOW))
        self.assertEqual(await self.claim("onbind", NOW + LEASE), [])

    async def queue(self, address: str, due: int, destination: str = "example.org") -> None:
        await self.storage.bindings.bind(binding(ThreePid("email", address), ALICE, due), destination)

    async def claim(
        self,
        kind: Kind,
        now: int = NOW,
        limit: int = 100,
        busy: dict[str, int] | None = None,
        per_destination: int = 4,
    ) -> list[Delivery]:
        return (await self.storage.outbox.claim(kind, now, LEASE, limit, busy or {}, per_destination)).deliveries

    async def next_due(self, kind: Kind) -> int | None:
        """As it is told to those who take nothing."""
        return (await self.storage.outbox.claim(kind, NOW, LEASE, 0, {}, 4)).next_due

    # Accounts.

    async def test_of_the_tokens_of_a_user_those_used_longest_ago_go(self) -> None:
        accounts = self.storage.accounts
        await accounts.register("bobs", BOB, NOW - HOUR, 2)
        await accounts.register("first", ALICE, NOW, 2)
        await accounts.register("second", ALICE, NOW + 1, 2)
        await accounts.renew("first", NOW + 2, NOW)
        await accounts.renew("first", NOW + 2, NOW + 1)
        await accounts.register("third", ALICE, NOW + 3, 2)
        known = [await accounts.account_of(token) is not None for token in ("bobs", "first", "second", "third")]
        self.assertEqual(known, [True, True, False, True])

    async def test_renewing_what_is_recent_or_unknown_changes_nothing(self) -> None:
        accounts = self.storage.accounts
        await accounts.register("first", ALICE, NOW, 1)
        await accounts.renew("first", NOW + HOUR, NOW)
        await accounts.renew("unknown", NOW + HOUR, NOW)
        self.assertIsNone(await accounts.account_of("unknown"))
        self.assertEqual(await accounts.purge(NOW + 1), 1)

    async def test_tokens_that_nobody_uses_are_purged(self) -> None:
        accounts = self.storage.accounts
        for number in range(5):
            await accounts.register(f"t{number}", ALICE, NOW + number, 9)
        await accounts.renew("t0", NOW + 9, NOW + 1)
        self.assertEqual(await accounts.purge(NOW + 3), 2)
        known = [await accounts.account_of(f"t{number}") is not None for number in range(5)]
        self.assertEqual(known, [True, False, False, True, True])
        self.assertEqual(await accounts.purge(NOW + 3), 0)

    async def test_access_tokens_are_known_until_logout(self) -> None:
        accounts = self.storage.accounts
        await accounts.register("aa", ALICE, NOW, 9)
        await accounts.register("bb", ALICE, NOW, 9)
        await accounts.register("00123", BOB, NOW, 9)
        for token, user_id in (("aa", ALICE), ("bb", ALICE), ("00123", BOB)):
            self.assertEqual(await accounts.account_of(token), Account(user_id=user_id))
        self.assertTrue(await accounts.logout("aa"))
        self.assertFalse(await accounts.logout("aa"))
        self.assertEqual(await accounts.account_of("bb"), Account(user_id=ALICE))
        for token in ("aa", "123"):
            self.assertIsNone(await accounts.account_of(token))

    async def test_accepted_terms_add_up(self) -> None:
        accounts = self.storage.accounts
        await accounts.register("aa", ALICE, NOW, 9)
        await accounts.register("bb", BOB, NOW, 9)
        await accounts.accept_terms(ALICE, ["https://example.org/a", "https://example.org/b"], NOW)
        await accounts.accept_terms(ALICE, iter(["https://example.org/b", "https://example.org/ü"]), NOW + 1)
        await accounts.accept_terms(ALICE, [], NOW)
        expected = frozenset(f"https://example.org/{name}" for name in ("a", "b", "ü"))
        await accounts.register("aaa", ALICE, NOW, 9)
        for token in ("aa", "aaa"):
            self.assertEqual(await accounts.account_of(token), Account(user_id=ALICE, accepted_terms=expected))
        self.assertEqual(await accounts.account_of("bb"), Account(user_id=BOB))

    # Transactions.

    async def test_a_transaction_is_done_once_and_forgotten_in_time(self) -> None:
        transactions = self.storage.transactions
        self.assertFalse(await transactions.is_done("1", "a"))
        await transactions.done("1", "a", NOW)
        await transactions.done("1", "a", NOW + HOUR)
        await transactions.done("01", "a", NOW + 1)
        self.assertEqual([await transactions.is_done(txn, "a") for txn in ("1", "01", "2")], [True, True, False])
        self.assertEqual(await transactions.purge(NOW + 1), 1)
        self.assertEqual([await transactions.is_done(txn, "a") for txn in ("1", "01")], [False, True])

    async def test_transactions_of_one_id_differ_by_what_is_in_them(self) -> None:
        transactions = self.storage.transactions
        await transactions.done("1", "a", NOW)
        self.assertFalse(await transactions.is_done("1", "b"))
        await transactions.done("1", "b", NOW)
        for txn_id in AWKWARD:
            self.assertFalse(await transactions.is_done(txn_id, "a"))
            await transactions.done(txn_id, "a", NOW)
        known = [await transactions.is_done(txn_id, digest) for txn_id in ("1", *AWKWARD) for digest in ("a", "b")]
        self.assertEqual(known, [True, True] + [True, False] * len(AWKWARD))

    # Cooldowns.

    async def test_a_cooldown_is_taken_once_in_its_period(self) -> None:
        take = self.storage.cooldowns.take
        self.assertEqual([await take(name, NOW, HOUR) for name in ("a", "a", "b")], [True, False, True])
        self.assertEqual([await take("a", NOW + later, HOUR) for later in (HOUR - 1, HOUR, HOUR)], [False, True, False])
        self.assertEqual(await self.storage.cooldowns.purge(NOW + HOUR), 1)
        self.assertEqual([await take(name, NOW + HOUR, HOUR) for name in ("a", "b")], [False, True])

    async def test_whether_a_cooldown_is_running(self) -> None:
        cooldowns = self.storage.cooldowns
        self.assertFalse(await cooldowns.is_running("a", NOW))
        await cooldowns.take("a", NOW, 10)
        self.assertTrue(await cooldowns.is_running("a", NOW + 9))
        self.assertFalse(await cooldowns.is_running("a", NOW + 10))
        self.assertFalse(await cooldowns.is_running("b", NOW))
        await cooldowns.end("a", NOW)
        self.assertFalse(await cooldowns.is_running("a", NOW))

    async def test_a_cooldown_is_ended_once_while_it_runs(self) -> None:
        cooldowns = self.storage.cooldowns
        for name in ("a", "b"):
            await cooldowns.take(name, NOW, HOUR)
        ended = [await cooldowns.end(name, NOW + HOUR - 1) for name in ("a", "a", "c")]
        self.assertEqual(ended, [True, False, False])
        self.assertFalse(await cooldowns.end("b", NOW + HOUR))
        self.assertTrue(await cooldowns.take("a", NOW, HOUR))

    async def test_of_many_who_end_a_cooldown_one_does(self) -> None:
        await self.storage.cooldowns.take("a", NOW, HOUR)
        ended = await together(*(self.storage.cooldowns.end("a", NOW) for _ in range(20)))
        self.assertEqual(ended.count(True), 1)

    async def test_of_many_who_want_a_cooldown_one_gets_it(self) -> None:
        taken = await together(*(self.storage.cooldowns.take("a", NOW, HOUR) for _ in range(20)))
        self.assertEqual(taken.count(True), 1)

    # Buckets.

    async def test_a_bucket_gives_what_it_holds_and_then_what_flows_back(self) -> None:
        async def taken(later: int) -> list[int]:
            return await self.storage.buckets.take([Charge("a", HOUR, 3 * HOUR)], NOW + later)

        self.assertEqual([await taken(later) for later in (0, 0, 1, 1)], [[0], [0], [0], [HOUR - 1]])
        self.assertEqual([await taken(later) for later in (HOUR - 1, HOUR, HOUR)], [[1], [0], [HOUR]])
        # Nobody has more of it than it holds, however long it was left alone.
        self.assertEqual([await taken(9 * HOUR) for _ in range(4)], [[0], [0], [0], [HOUR]])

    async def test_buckets_are_different_by_their_names(self) -> None:
        charges = [Charge(name, HOUR, HOUR) for name in ("a", *AWKWARD)]
        self.assertEqual([await self.storage.buckets.take([charge], NOW) for charge in charges], [[0]] * len(charges))
        self.assertEqual(await self.storage.buckets.take(charges, NOW), [HOUR] * len(charges))

    async def test_charges_of_different_sizes(self) -> None:
        async def taken(hours: int, later: int = 0) -> list[int]:
            return await self.storage.buckets.take([Charge("a", hours * HOUR, 10 * HOUR)], NOW + later)

        self.assertEqual([await taken(hours) for hours in (7, 5, 3)], [[0], [2 * HOUR], [0]])
        self.assertEqual(await taken(10, later=1), [10 * HOUR - 1])

    async def test_of_several_buckets_all_are_charged_or_none(self) -> None:
        take = self.storage.buckets.take
        small, large = Charge("small", HOUR, HOUR), Charge("large", HOUR, 2 * HOUR)
        self.assertEqual(await take([large, small], NOW), [0, 0])
        self.assertEqual(await take([large, small], NOW), [0, HOUR])
        self.assertEqual(await take([large], NOW), [0])
        self.assertEqual(await take([small, large], NOW), [HOUR, HOUR])
        self.assertEqual(await take([], NOW), [])

    async def test_of_many_who_take_at_once_as_many_get_it_as_there_is(self) -> None:
        taken = await together(*(self.storage.buckets.take([Charge("a", HOUR, 7 * HOUR)], NOW) for _ in range(30)))
        self.assertEqual(taken.count([0]), 7)

    async def test_a_clock_that_was_ahead_empties_a_bucket_and_no_more(self) -> None:
        async def taken(hours: int) -> list[int]:
            return await self.storage.buckets.take([Charge("a", HOUR, 2 * HOUR)], NOW + hours * HOUR)

        self.assertEqual([await taken(24) for _ in range(3)], [[0], [0], [HOUR]])
        self.assertEqual([await taken(hours) for hours in (0, 1, 2, 2)], [[HOUR], [0], [0], [HOUR]])

    async def test_clocks_that_differ_a_little_do_not_refill_a_bucket(self) -> None:
        async def taken(at: int) -> bool:
            return await self.storage.buckets.take([Charge("a", SKEW, 100 * SKEW)], at) == [0]

        # The clock that is ahead may see what flows back in the time between them.
        self.assertIn([await taken(NOW + later) for later in (SKEW, 0) * 300].count(True), (100, 101))

    async def test_a_bucket_that_was_made_smaller_is_not_empty_for_longer_than_it_holds(self) -> None:
        await self.storage.buckets.take([Charge("a", 50 * HOUR, 50 * HOUR)], NOW)
        taken = [await self.storage.buckets.take([Charge("a", HOUR, 2 * HOUR)], NOW + hours * HOUR) for hours in (0, 1)]
        self.assertEqual(taken, [[HOUR], [0]])

    # Keys.

    async def test_all_sign_with_the_same_keys(self) -> None:
        first = await together(*(self.storage.keys.signing_keys(partial(bytes, [0, 255, n])) for n in range(5)))
        self.assertEqual(len(set(first)), 1)
        self.assertEqual(await self.storage.keys.signing_keys(lambda: b"another"), first[0])

    # What outlives the process.

    async def test_a_restart_loses_nothing(self) -> None:
        kept, opened = invite(fields={"a": [1]}), session()
        await self.add(kept)
        await self.open(opened)
        await self.storage.sessions.take_guess(opened.sid)
        await self.rotate("pepper")
        await self.queue("bound@example.com", NOW)
        await self.storage.hashes.arrange(["sql"])
        await self.lists("sql", {"listed": BOB})
        await self.storage.accounts.register("aa", ALICE, NOW, 9)
        await self.storage.accounts.accept_terms(ALICE, ["https://example.org/a"], NOW)
        await self.storage.transactions.done("1", "a", NOW)
        (claimed,) = await self.claim("onbind")
        await self.restart()
        storage = self.storage
        self.assertEqual(await storage.invites.get(kept.token), kept)
        self.assertEqual(await storage.sessions.get(opened.sid), structs.replace(opened, guesses=1))
        self.assertEqual(await storage.hashes.peppers(), [Pepper(pepper="pepper", made_at=NOW)])
        bound = digest(ThreePid("email", "bound@example.com"), "pepper")
        self.assertEqual(await storage.hashes.find("pepper", [bound, "listed"]), {bound: ALICE, "listed": BOB})
        account = Account(user_id=ALICE, accepted_terms=frozenset({"https://example.org/a"}))
        self.assertEqual(await storage.accounts.account_of("aa"), account)
        self.assertTrue(await storage.transactions.is_done("1", "a"))
        self.assertEqual([message.token for message in await self.claim("message")], [kept.token])
        self.assertTrue(await storage.outbox.close(claimed, "done", "200", NOW))


OLD, A_LABELS = (ThreePid("email", f"anna@{domain}") for domain in ("bücher.example", "xn--bcher-kva.example"))


async def keep_both_spellings(storage: Storage) -> None:
    """Fill a store as an older mxisd did, to which the spellings of a domain were different domains."""
    await storage.hashes.prepare(Pepper(pepper="pepper", made_at=NOW), after=None)
    await storage.hashes.publish("pepper", keep=1)
    for threepid in (OLD, A_LABELS):
        for sender in ("@eve:example.org", "@zoe:example.org"):
            room = f"!{sender}" if sender == "@eve:example.org" else f"!{threepid.address}"
            created = NOW + (threepid == OLD)
            await storage.invites.add(
                invite(threepid, token=f"{sender}/{threepid.address}", sender=sender, room_id=room, created=created),
                resend_before=0,
            )
        await storage.sessions.open(
            session(sid=threepid.address, threepid=threepid, secret_digest=secret_digest(*threepid, "s")),
            alive_since=NOW,
            max_guesses=5,
            most=9,
        )
    # Their own invites have been waiting elsewhere.
    older, newer = ThreePid("email", "dora@bücher.example"), ThreePid("email", "dora@xn--bcher-kva.example")
    await storage.bindings.bind(binding(newer, BOB, NOW + 1), "example.org")
    await storage.bindings.bind(binding(older, ALICE, NOW), "example.org")
    await storage.bindings.bind(binding(ThreePid("email", "fay@bücher.example"), BOB, NOW), "example.org")
    await storage.bindings.bind(binding(EMAIL, ALICE, NOW), "example.org")


async def check_one_spelling(case: SynchronousTestCase, storage: Storage) -> None:
    """See what the upgrade has made of it."""
    dora, fay = ThreePid("email", "dora@xn--bcher-kva.example"), ThreePid("email", "fay@xn--bcher-kva.example")
    old = [ThreePid("email", f"{name}@bücher.example") for name in ("anna", "dora", "fay")]
    users = await storage.bindings.users_of([dora, fay, EMAIL, *old])
    case.assertEqual(users, {dora: BOB, fay: BOB, EMAIL: ALICE})
    asked = {hashed: users[threepid] for threepid in (dora, fay, EMAIL) for hashed in digests(threepid, "pepper")}
    case.assertEqual(await storage.hashes.find("pepper", list(asked)), asked)
    pending = await storage.invites.pending(A_LABELS)
    case.assertEqual(
        sorted(each.token for each in pending),
        [
            "@eve:example.org/anna@bücher.example",
            "@zoe:example.org/anna@bücher.example",
            "@zoe:example.org/anna@xn--bcher-kva.example",
        ],
    )
    case.assertEqual(await storage.invites.pending(OLD), [])
    (cancelled,) = await storage.invites.page(ended=True, offset=0, limit=9)
    case.assertEqual((cancelled.ended, cancelled.ephemeral_private_key), ("cancelled", ""))
    case.assertEqual(cancelled.token, "@eve:example.org/anna@xn--bcher-kva.example")
    messages = (await storage.outbox.claim("message", NOW + HOUR, LEASE, 9, {}, 9)).deliveries
    case.assertEqual({each.threepid for each in messages}, {A_LABELS})
    case.assertEqual(len(messages), 3)
    case.assertEqual(len(await storage.invites.claim_due(NOW + HOUR, NOW + HOUR, 9)), 3)
    for sid in (OLD.address, A_LABELS.address):
        kept = await storage.sessions.get(sid)
        case.assertEqual(kept and kept.threepid, A_LABELS)
    ended = await storage.bindings.bind(binding(A_LABELS, BOB, NOW + 9), "example.org")
    case.assertEqual(len(ended), 3)
