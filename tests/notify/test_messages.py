"""The values that templates get."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from mxisd.matrix.threepid import ThreePid, email
from mxisd.notify.messages import (
    InviteMessage,
    MatrixIdInvite,
    MessageContext,
    Reminder,
    Validation,
    values,
)
from tests.make import invite

SITE = MessageContext(
    domain="EXAMPLE.org",
    public_url="https://id.example.org",
    from_email="is@example.org",
    from_name="Server",
    placeholders={"SUPPORT_URL": "https://help.example.org"},
)
INVITE = invite(
    email("bob+x@example.com"),
    token="tok-en",
    room_id="!room:example.org",
    sender="@alice:example.org",
    created=0,
    ephemeral_private_key="a+b/c",
    fields={
        "room_name": "Gardens",
        "room_alias": "#gardens:example.org",
        "room_avatar_url": "mxc://example.org/gardens",
        "room_join_rules": "invite",
        "room_type": "m.space",
        "sender_display_name": "Alice",
        "sender_avatar_url": "mxc://example.org/alice",
        "org.matrix.web_client_location": "https://app.example.org",
    },
    proven=True,
)


class AddressTests(SynchronousTestCase):
    def test_people_read_what_they_would_write(self) -> None:
        found = values(InviteMessage(replace(INVITE, threepid=ThreePid("email", "anna@xn--strae-oqa.example"))), SITE)
        for value in ("INVITE_ADDRESS", "RECIPIENT_ADDRESS"):
            self.assertEqual(found[value], "anna@straße.example")
            self.assertEqual(found[f"{value}_URL_ENCODED"], "anna%40stra%C3%9Fe.example")


class DocumentedValueTests(SynchronousTestCase):
    """Every placeholder that mxisd documents, and those of ours."""

    def assert_values(self, message: object, expected: dict[str, str]) -> None:
        found = values(message, SITE)  # type: ignore[arg-type]
        self.assertEqual({name: found.get(name) for name in expected}, expected)

    def test_global(self) -> None:
        self.assert_values(
            Validation(threepid=ThreePid("email", "bob+x@example.com"), token="t", link="l"),
            {
                "DOMAIN": "EXAMPLE.org",
                "DOMAIN_PRETTY": "Example.org",
                "FROM_EMAIL": "is@example.org",
                "FROM_NAME": "Server",
                "RECIPIENT_MEDIUM": "email",
                "RECIPIENT_MEDIUM_URL_ENCODED": "email",
                "RECIPIENT_ADDRESS": "bob+x@example.com",
                "RECIPIENT_ADDRESS_URL_ENCODED": "bob%2Bx%40example.com",
                "REGISTER_URL": "https://EXAMPLE.org",
                "SUPPORT_URL": "https://help.example.org",
            },
        )

    def test_invite(self) -> None:
        sign_url = "https://id.example.org/_matrix/identity/api/v1/sign-ed25519?token=tok-en&private_key=a%2Bb%2Fc"
        expected = {
            "SENDER_ID": "@alice:example.org",
            "SENDER_NAME": "Alice",
            "SENDER_NAME_OR_ID": "Alice",
            "INVITE_MEDIUM": "email",
            "INVITE_MEDIUM_URL_ENCODED": "email",
            "INVITE_ADDRESS": "bob+x@example.com",
            "INVITE_ADDRESS_URL_ENCODED": "bob%2Bx%40example.com",
            "ROOM_ID": "!room:example.org",
            "ROOM_NAME": "Gardens",
            "ROOM_NAME_OR_ID": "Gardens",
            "REGISTER_URL": "https://EXAMPLE.org",
            "INVITE_TOKEN": "tok-en",
            "INVITE_PRIVATE_KEY": "a+b/c",
            "INVITE_PRIVATE_KEY_URL_ENCODED": "a%2Bb%2Fc",
            "INVITE_SIGN_URL": sign_url,
            "ROOM_ALIAS": "#gardens:example.org",
            "ROOM_AVATAR_URL": "mxc://example.org/gardens",
            "ROOM_TYPE": "m.space",
            "ROOM_JOIN_RULES": "invite",
            "SENDER_AVATAR_URL": "mxc://example.org/alice",
            "SENDER_DISPLAY_NAME": "Alice",
            "WEB_CLIENT_LOCATION": "https://app.example.org",
            "ROOM_KIND": "space",
            "INVITED_TO": "the space Gardens",
        }
        self.assert_values(InviteMessage(INVITE), expected)
        self.assert_values(Reminder(INVITE, 1_800_000_000_000), {**expected, "INVITE_EXPIRES": "2027-01-15 08:00 UTC"})

    def test_invite_of_which_little_is_known(self) -> None:
        # Synapse sends empty strings; others might send anything.
        for fields in ({}, {"room_name": "", "sender_display_name": ""}, {"room_name": None, "room_type": ["x"]}):
            self.assert_values(
                InviteMessage(replace(INVITE, fields=fields)),
                {
                    "SENDER_NAME": "",
                    "SENDER_NAME_OR_ID": "@alice:example.org",
                    "ROOM_NAME": "",
                    "ROOM_NAME_OR_ID": "!room:example.org",
                    "ROOM_NAME_OR_ALIAS": "!room:example.org",
                    "ROOM_TYPE": "",
                    "ROOM_AVATAR_URL": "",
                },
            )
        alias = InviteMessage(replace(INVITE, fields={"room_alias": "#a:b"}))
        self.assert_values(alias, {"ROOM_NAME_OR_ALIAS": "#a:b", "ROOM_NAME_OR_ID": "!room:example.org"})

    def test_an_invite_that_anybody_may_have_sent_says_nothing_in_their_words(self) -> None:
        forged = replace(
            INVITE,
            proven=False,
            sender="@you-have-won:example.org",
            room_id="!call-0900-12345",
            fields={**INVITE.fields, "guest_access_token": "won", "guest_user_id": "won"},
        )
        for message in (InviteMessage(forged), Reminder(forged, 1_800_000_000_000)):
            self.assert_values(
                message,
                {
                    "SENDER_NAME": "",
                    "SENDER_NAME_OR_ID": "Somebody on example.org",
                    "SENDER_ID": "Somebody on example.org",
                    "ROOM_NAME": "",
                    "ROOM_NAME_OR_ID": "…",
                    "ROOM_NAME_OR_ALIAS": "…",
                    "ROOM_KIND": "conversation",
                    "INVITED_TO": "a conversation",
                    "INVITE_TOKEN": "tok-en",
                },
            )
            shown = " ".join(values(message, SITE).values())
            for word in ("won", "0900", "Alice", "Gardens", "gardens", "app.example.org", "m.space"):
                self.assertNotIn(word, shown)

    def test_validation(self) -> None:
        link = "https://id.example.org/submitToken?token=t"
        message = Validation(threepid=ThreePid("email", "b@c.d"), token="t", link=link, next_link="https://x.org/?a=b")
        expected = {"VALIDATION_LINK": link, "VALIDATION_TOKEN": "t", "NEXT_URL": "https://x.org/?a=b"}
        self.assert_values(message, expected)

    def test_invite_by_user_id(self) -> None:
        message = MatrixIdInvite(
            threepid=ThreePid("email", "b@c.d"), recipient="@bob:c.d", sender="@alice:example.org", room_id="!r:x"
        )
        self.assert_values(
            message,
            {"RECIPIENT_ID": "@bob:c.d", "SENDER_NAME_OR_ID": "@alice:example.org", "ROOM_NAME_OR_ID": "!r:x"},
        )
        self.assert_values(message, {"INVITED_TO": "a conversation with alice (example.org)"})
        space = replace(message, sender_name="Alice", room_type="m.space")
        self.assert_values(space, {"ROOM_KIND": "space", "INVITED_TO": "a space by Alice"})
        self.assert_values(replace(space, room_name="Gardens"), {"INVITED_TO": "the space Gardens"})


class InvitedToTests(SynchronousTestCase):
    """What one is invited to, in words."""

    def assert_invited_to(self, expected: str, sender: str = INVITE.sender, **fields: object) -> None:
        invite = replace(INVITE, sender=sender, fields=fields)
        for message in (InviteMessage(invite), Reminder(invite, 0)):
            shown = values(message, SITE)
            self.assertEqual(shown["INVITED_TO"], expected)
            self.assertIn(f" {shown['ROOM_KIND']} ", f"{expected} ")

    def test_a_room_or_a_space_with_a_name(self) -> None:
        self.assert_invited_to("the room Gardens", room_name="Gardens", sender_display_name="Alice")
        self.assert_invited_to("the space Gardens", room_name="Gardens", room_type="m.space")

    def test_an_alias_is_better_than_no_name(self) -> None:
        self.assert_invited_to("the room #gardens:example.org", room_alias="#gardens:example.org")
        self.assert_invited_to("the space Gardens", room_name="Gardens", room_alias="#a:b", room_type="m.space")

    def test_without_a_name_there_is_who_invites(self) -> None:
        self.assert_invited_to("a conversation with Alice", sender_display_name="Alice")
        self.assert_invited_to("a space by Alice", sender_display_name="Alice", room_type="m.space")
        self.assert_invited_to("a conversation with alice (example.org)", room_name="", sender_display_name="")

    def test_a_name_that_is_an_advertisement_is_no_name(self) -> None:
        advertisement = "Win at https://evil.example/"
        self.assert_invited_to("a conversation with Alice", room_name=advertisement, sender_display_name="Alice")
        self.assert_invited_to("a space by alice (example.org)", sender_display_name=advertisement, room_type="m.space")

    def test_of_a_sender_who_cannot_be_shown_nothing_is(self) -> None:
        self.assert_invited_to("a conversation", sender="nobody")
        self.assert_invited_to("a space", sender="nobody", room_type="m.space")

    def test_other_types_are_rooms(self) -> None:
        for odd in (
            None,
            "",
            7,
            ["m.space"],
            {"type": "m.space"},
            "m.Space",
            "m.space ",
            "org.example.game",
            "pay now",
        ):
            self.assert_invited_to("the room Gardens", room_name="Gardens", room_type=odd)
            self.assert_invited_to("a conversation with Alice", sender_display_name="Alice", room_type=odd)
