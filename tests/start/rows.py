"""What rows of the tables of configurations are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

Keys = dict[str, Any]


class Row(NamedTuple):
    """
    A configuration, and what the administrator reads who tries to start with it.

    It is YAML, or the keys in which it differs from the least one that starts.  The words in capital letters that
    :class:`~tests.start.world.World` knows stand for what is there.
    """

    config: str | Keys
    says: str = ""
    """Part of what is said; empty if it starts."""
    workers: int = 0
    without: str | None = None
    """A library that is not installed."""


def redis(**keys: Any) -> Keys:
    """Storage in Redis."""
    return {"storage.backend": "redis", **{f"storage.provider.redis.{name}": value for name, value in keys.items()}}


def mail(more: Keys | None = None) -> Keys:
    """A mail server, and keys below ``threepid.medium.email``."""
    keys = {"connector": "smtp", "identity.from": "mxisd@example.org", "connectors.smtp.host": "mail.example.org"}
    return {f"threepid.medium.email.{name}": value for name, value in {**keys, **(more or {})}.items()}


def sms(**keys: str) -> Keys:
    """An SMS gateway."""
    medium = "threepid.medium.msisdn"
    return {f"{medium}.connector": "http", **{f"{medium}.connectors.http.{name}": text for name, text in keys.items()}}


def sendgrid(more: Keys | None = None) -> Keys:
    """SendGrid, and keys below its own."""
    keys = {"api.key": "key", "identity.from": "mxisd@example.org", **(more or {})}
    handlers = {f"notification.handlers.sendgrid.{name}": value for name, value in keys.items()}
    return {"notification.handler.email": "sendgrid", **handlers}


def appservice(file: str) -> Keys:
    """An application service, whose registration goes to a file."""
    return {
        "appsvc.enabled": True,
        "appsvc.endpoint.toHS": {"url": "http://localhost:8008", "token": "as"},
        "appsvc.endpoint.toAS": {"url": "http://localhost:8090", "token": "hs"},
        "appsvc.registration.synapse.file": file,
    }


def sql(type_: str, connection: str, **queries: Any) -> Keys:
    """Users in a database."""
    keys = {"enabled": True, "type": type_, "connection": connection, **queries}
    return {f"sql.{name}": value for name, value in keys.items()}


def ldap(**connection: Any) -> Keys:
    """The section of a directory server."""
    return {"enabled": True, "connection": {"host": "localhost", "baseDn": "dc=example", **connection}}


def policy(expression: str) -> Keys:
    """Terms for paths of a regular expression."""
    terms = {"version": "1", "terms": {"en": {"name": "Terms", "url": "https://example.org"}}, "regexp": expression}
    return {"policy.policies.terms": terms}


def tls(key: str, certificate: str | None = None, port: str = "FREE", more: str = "") -> Keys:
    """Listening with TLS, by files in the folder."""
    named = f":certKey=FOLDER/{certificate}" if certificate else ""
    return {"server.bind": f"ssl:{port}:interface=127.0.0.1:privateKey=FOLDER/{key}{named}{more}"}


def template(medium: str, key: str, file: str) -> Keys:
    """An own template."""
    return {
        f"threepid.medium.{medium}.connector": "log",
        f"threepid.medium.{medium}.generators.template.{key}": file,
    }
