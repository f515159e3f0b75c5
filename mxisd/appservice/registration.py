"""The file by which a homeserver knows us (specification: application service API, "Registration")."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import yaml
from msgspec import Struct


class RegistrationError(Exception):
    """The file cannot be written; the message names it and says why."""


class Registration(Struct, frozen=True, kw_only=True):
    """What it says."""

    id: str
    url: str
    """Where the homeserver reaches us."""
    as_token: str
    hs_token: str
    domain: str
    main_user: str
    """The localparts of our users."""
    expiry_user: str
    all_users: bool
    """Whether we are told of what concerns any local user."""

    def text(self) -> str:
        """The file's content."""
        users = [{"exclusive": True, "regex": f"^@{re.escape(self.expiry_user)}:{re.escape(self.domain)}$"}]
        if self.all_users:
            users.append({"exclusive": False, "regex": f"^@.*:{re.escape(self.domain)}$"})
        return yaml.safe_dump(
            {
                "id": self.id,
                "url": self.url,
                "as_token": self.as_token,
                "hs_token": self.hs_token,
                "sender_localpart": self.main_user,
                "namespaces": {"users": users, "aliases": [], "rooms": []},
                # Many invites can expire together.
                "rate_limited": False,
            },
            sort_keys=False,
        )


def write(path: Path, text: str) -> None:
    """
    Put a file in place whole, readable by its owner only; one with the same text stays as it is, rights included.

    Raises :class:`RegistrationError`.
    """
    try:
        if path.is_file() and path.read_text() == text:
            return
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
            try:
                temporary.write(text)  # the file is of mode 0600
                temporary.flush()
                os.fsync(temporary.fileno())
                Path(temporary.name).replace(path)
            except BaseException:
                Path(temporary.name).unlink()
                raise
    except OSError as error:
        raise RegistrationError(f"appsvc.registration.synapse.file: cannot write {path}: {error.strerror}") from error
