"""
A module for Synapse (1.132 or later) that asks mxisd who may invite addresses; no proxy rule can be forgotten then.

    modules:
      - module: mxisd_policy.MxisdPolicy
        config:
          url: http://127.0.0.1:8090    # mxisd, without TLS if it is on the same machine
          token: "..."                  # invite.policy.token of mxisd.yaml

When mxisd cannot be asked, invites of addresses are refused.  Synapse asks about no state event and no new room of its
administrators.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import attr
from synapse.api.errors import HttpResponseException
from synapse.module_api import NOT_SPAM, JsonDict, ModuleApi
from synapse.module_api.errors import Codes, ConfigError

logger = logging.getLogger(__name__)

EVENT = "m.room.third_party_invite"


@attr.s(auto_attribs=True, frozen=True)
class Config:
    url: str
    token: str


class MxisdPolicy:
    def __init__(self, config: Config, api: ModuleApi) -> None:
        self._url = config.url.rstrip("/") + "/_matrix/mxisd/v1/policy/invite"
        self._headers = {b"Authorization": [b"Bearer " + config.token.encode()]}
        self._http = api.http_client
        api.register_spam_checker_callbacks(
            user_may_send_3pid_invite=self.user_may_send_3pid_invite,
            user_may_send_state_event=self.user_may_send_state_event,
            user_may_create_room=self.user_may_create_room,
        )

    @staticmethod
    def parse_config(config: dict[str, Any]) -> Config:
        if sorted(config) != ["token", "url"] or not all(isinstance(value, str) for value in config.values()):
            raise ConfigError("mxisd_policy needs url and token, which are strings, and nothing else")
        return Config(**config)

    async def user_may_send_3pid_invite(self, inviter: str, medium: str, address: str, room_id: str) -> str | Codes:
        """An address is invited; with a new room, for the second time: now there is a room ID to judge by."""
        return await self._judge(sender=inviter, medium=medium, address=address, room_id=room_id)

    async def user_may_send_state_event(
        self, user_id: str, room_id: str, event_type: str, state_key: str, content: JsonDict
    ) -> str | Codes:
        """A client sends the event that an invite is; without content it revokes one."""
        if event_type != EVENT or not content:
            return NOT_SPAM
        return await self._judge(sender=user_id, room_id=room_id)

    async def user_may_create_room(self, user_id: str, room_config: JsonDict) -> str | Codes:
        """A room is created with that event in it, or with invites: judged before there is a room."""
        state = room_config.get("initial_state") or []
        by_event = any(event.get("type") == EVENT and event.get("content") != {} for event in state)
        invites: list[dict[str, str]] = [{}] if by_event else []
        invites += [
            {"medium": str(invite["medium"]), "address": str(invite["address"])}
            for invite in room_config.get("invite_3pid") or []
        ]
        for invite in invites:
            decision = await self._judge(sender=user_id, **invite)
            if decision != NOT_SPAM:
                return decision
        return NOT_SPAM

    async def _judge(self, **invite: str) -> str | Codes:
        try:
            # Synapse writes URLs to its log, and addresses do not belong there.
            decision = await self._http.post_json_get_json(self._url, invite, self._headers)
            allowed = decision["allowed"] is True
        except HttpResponseException as error:
            if error.code == HTTPStatus.TOO_MANY_REQUESTS:
                return Codes.LIMIT_EXCEEDED
            logger.error("mxisd does not say who may invite, so %s may not: %r", invite["sender"], error)
            allowed = False
        except Exception as error:
            logger.error("mxisd cannot be asked who may invite, so %s may not: %r", invite["sender"], error)
            allowed = False
        return NOT_SPAM if allowed else Codes.FORBIDDEN
