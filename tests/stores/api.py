"""
The API that ``rest`` and ``exec`` speak: what an administrator would have written.

Run as a program it takes the file with the people and a question, reads the body from standard input and writes the
answer; ``plain-lookup`` and ``plain-auth`` take arguments and lines.  It stands alone, so as to start quickly.
"""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    # Name, user ID, display name, addresses as typed and as looked up, roles and password.
    Person: TypeAlias = Mapping[str, Any]


class Api:
    """Answers questions that have the names of endpoints, with bodies as in the REST API."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self._by_threepid = {(medium, address): each for each in people for medium, address in each["threepids"]}

    def answer(self, question: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if question == "single":
            found = self._look_up([body["lookup"]])
            return {"lookup": found[0]} if found else {}
        if question == "bulk":
            return {"lookup": self._look_up(body["lookup"])}
        if question == "everybody":
            return {"lookup": [_found(person, *threepid) for threepid, person in self._by_threepid.items()]}
        if question == "auth":
            return {"auth": self.auth(body["auth"])}
        if question == "search":
            return {"limited": False, "results": self._search(body["by"], body["search_term"])}
        person = self._whose(body)
        field = "threepids_as_objects" if question == "threepids" else question
        return {"profile": {question: person[field]} if person else {}}

    def auth(self, body: Mapping[str, str]) -> dict[str, Any]:
        person = self._whose(body)
        if person is None or person["password"] != body["password"]:
            return {"success": False}
        told = {"display_name": person["display_name"], "three_pids": person["threepids_as_objects"]}
        return {"success": True, "id": {"type": "localpart", "value": person["name"]}, "profile": told}

    def _look_up(self, asked: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        wanted = [(threepid["medium"], threepid["address"]) for threepid in asked]
        known = self._by_threepid
        return [_found(known[threepid], *threepid) for threepid in wanted if threepid in known]

    def _whose(self, user: Mapping[str, str]) -> Person | None:
        for person in self._people:
            if person["user_id"] == user["mxid"] and person["name"].lower() == user["localpart"]:
                return person
        return None

    def _search(self, by: str, term: str) -> list[dict[str, Any]]:
        def texts(person: Person) -> list[str]:
            return [person["display_name"] or ""] if by == "name" else [address for _, address in person["threepids"]]

        return [
            {"user_id": person["name"], "display_name": person["display_name"], "avatar_url": None}
            for person in self._people
            if any(term.lower() in text.lower() for text in texts(person))
        ]


def _found(person: Person, medium: str, address: str) -> dict[str, Any]:
    # Both kinds of user IDs are there.
    by_name = {"type": "localpart", "value": person["name"]}
    user = by_name if medium == "email" else {"type": "mxid", "value": person["user_id"]}
    return {"medium": medium, "address": address, "id": user}


def main(people: str, question: str, *arguments: str) -> int:
    """The program; its exit code is 1 if there is nobody."""
    with open(people) as file:  # noqa: PTH123 - takes its time to import
        api = Api(json.load(file))
    if question == "plain-lookup":
        medium, address = arguments
        found = api.answer("single", {"lookup": {"medium": medium, "address": address}})
        if not found:
            return 1
        user = found["lookup"]["id"]
        sys.stdout.write(f"{user['value']}\n" if user["type"] == "localpart" else f"mxid\n{user['value']}\n")
        return 0
    if question == "plain-auth":
        (user_id,) = arguments
        localpart, _, password = sys.stdin.read().partition("\n")
        auth = api.auth({"mxid": user_id, "localpart": localpart, "password": password})
        sys.stdout.write(f"true\n{auth['profile']['display_name']}\n" if auth["success"] else "false\n")
        return 0
    told = sys.stdin.read()
    body = json.loads(told) if told else {}
    if question == "bulk" and not body["lookup"]:
        question = "everybody"
    # The REST API says of some bodies what they are, where programs know.
    answer = api.answer(question, {question: body, "lookup": body} if question in {"single", "auth"} else body)
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
