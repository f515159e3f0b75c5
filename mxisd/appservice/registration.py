"""The registration file of the application service (specification: application service API, "Registration")."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import yaml

from ..config.appsvc import AppService
from ..errors import StartError


class RegistrationError(StartError):
    """The file cannot be written; the message names it and says why."""


def registration_text(config: AppService, domain: str) -> str:
    """What it says of us, who serve a domain."""
    ours = (config.main_user(domain), config.expiry_user(domain))
    users = [{"exclusive": True, "regex": f"^{re.escape(user_id)}$"} for user_id in ours]
    if config.feature.invite_by_id:
        # Then we are told of all that concerns any local user.
        users.append({"exclusive": False, "regex": f"^@.*:{re.escape(domain)}$"})
    content = {
        "id": config.registration.synapse.id,
        "url": config.endpoint.to_as.url,
        "as_token": str(config.endpoint.to_hs.token),
        "hs_token": str(config.endpoint.to_as.token),
        "sender_localpart": config.user.main,
        "namespaces": {"users": users, "aliases": [], "rooms": []},
        # Many invites can expire together.
        "rate_limited": False,
    }
    return str(yaml.safe_dump(content, sort_keys=False))


def write(path: Path, text: str, put: Callable[[Path, bytes], None]) -> None:
    """
    Have ``put`` write the file; one that says the same in YAML stays as it is, rights included.

    Raises :class:`RegistrationError`.
    """
    try:
        if not path.is_file() or not _is_same(path.read_bytes(), text):
            put(path, text.encode())
    except OSError as error:
        raise RegistrationError(f"appsvc.registration.synapse.file: cannot write {path}: {error.strerror}") from error


def _is_same(there: bytes, text: str) -> bool:
    try:
        return bool(yaml.safe_load(there) == yaml.safe_load(text))
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
