"""
A module for Synapse (1.46 or later) that lets users log in with the passwords that mxisd's identity stores know.

    modules:
      - module: mxisd_password.MxisdPassword
        config:
          url: http://127.0.0.1:8090    # mxisd, without TLS if it is on the same machine

Who logs in for the first time gets an account, with the display name and the email addresses that the stores know.
Whatever mxisd does not accept, also because it cannot be asked, is left to Synapse's own passwords.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from synapse.logging.context import make_deferred_yieldable
from synapse.module_api import JsonDict, ModuleApi
from synapse.module_api.errors import ConfigError
from twisted.web.client import readBody
from twisted.web.http_headers import Headers

logger = logging.getLogger(__name__)


class MxisdPassword:
    def __init__(self, url: str, api: ModuleApi) -> None:
        self._url = url.rstrip("/") + "/_matrix-internal/identity/v1/check_credentials"
        self._api = api
        api.register_password_auth_provider_callbacks(auth_checkers={("m.login.password", ("password",)): self.check})

    @staticmethod
    def parse_config(config: dict[str, Any]) -> str:
        if list(config) != ["url"] or not isinstance(config["url"], str):
            raise ConfigError("mxisd_password needs url, which is a string, and nothing else")
        return config["url"]

    async def check(self, user: str, login_type: str, login: JsonDict) -> tuple[str, None] | None:
        """The user ID, which has an account then, if the password is right."""
        user_id = self._api.get_qualified_user_id(user)
        try:
            answer = await self._ask({"user": {"id": user_id, "password": login["password"]}})
            if answer["success"] is not True:
                return None
            # In the spelling of the store, so that there is one account for all.
            user_id, profile = answer["mxid"], answer["profile"]
            emails = [threepid["address"] for threepid in profile["three_pids"] if threepid["medium"] == "email"]
        except Exception as error:
            logger.error("mxisd cannot be asked for the password of %s: %r", user_id, error)
            return None
        existing = await self._api.check_user_exists(user_id)
        if existing is None:
            localpart = user_id[1:].partition(":")[0]
            existing = await self._api.register_user(localpart, profile.get("display_name"), emails)
        return existing, None

    async def _ask(self, question: JsonDict) -> JsonDict:
        # Not the client's methods for JSON, which write what they send to the log when that is verbose.
        response = await self._api.http_client.request(
            "POST",
            self._url,
            json.dumps(question).encode(),
            Headers({"Content-Type": ["application/json"]}),
        )
        body = await make_deferred_yieldable(readBody(response))
        if response.code != 200:
            raise ValueError(f"the answer is {response.code}")
        auth: JsonDict = json.loads(body)["auth"]
        return auth
