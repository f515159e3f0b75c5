"""``mxisd-notify``: look at messages, and try whether they can be sent."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from email.headerregistry import Address
from pathlib import Path
from typing import Any, get_args

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ..clock import Random
from ..config import Config, ConfigError, load
from ..masking import masked
from ..matrix.threepid import EMAIL, MSISDN, InvalidAddress, ThreePid, canonical
from ..net.dns import Resolver
from ..net.http_client import Http, HttpClient, HttpResponse
from ..net.networks import ANYWHERE
from ..net.tls import CaFileError, Trust
from ..notify.build import build_notifier, mail_site, mail_templates, text_site, text_templates
from ..notify.mail import address
from ..notify.messages import Kind, values
from ..notify.notifier import SendFailed
from ..notify.samples import samples
from ..notify.template import TemplateError
from ..reactor import IReactor

Say = Callable[[str], None]

KINDS: tuple[Kind, ...] = get_args(Kind)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; its exit code is 0 if all went well."""
    options = _parser().parse_args(arguments)
    try:
        config = load(options.config, os.environ)
        if options.action == "preview":
            sys.exit(preview(config, options.template, options.language, options.to, os.urandom))
        to = canonical(EMAIL if "@" in options.to else MSISDN, options.to)
        react(lambda reactor: Deferred.fromCoroutine(_test(reactor, config, options.template, to)))
    except (ConfigError, TemplateError, CaFileError, InvalidAddress) as error:
        sys.exit(str(error))


def preview(config: Config, kind: Kind, language: str, to: Path, random: Random) -> str | None:
    """
    Write a message with sample values to a file: ``.eml``, ``.html`` and ``.txt`` of an email, ``.sms`` a text message.

    Returns what is wrong, if anything.  Raises :class:`TemplateError`.
    """
    if to.suffix == ".sms":
        site = text_site(config)
        message = samples(ThreePid(MSISDN, "15551234567"), site)[kind]
        text = text_templates(config)[kind].best(language).render(values(message, site))
        to.write_text(f"{text}\n", encoding="utf-8")
        return None
    site = mail_site(config)
    message = samples(ThreePid(EMAIL, "bob@example.org"), site)[kind]
    mail = mail_templates(config)[kind].best(language).render(values(message, site))
    if to.suffix == ".eml":
        sender = Address(site.from_name, addr_spec=site.from_email or f"mxisd@{site.domain}")
        address(mail, sender, message.threepid.address, 0, random)
        to.write_bytes(mail.as_bytes())
        return None
    subtype = {".html": "html", ".txt": "plain"}.get(to.suffix)
    if subtype is None:
        return f"{to}: expected a file named .eml, .html, .txt or .sms"
    body = mail.get_body((subtype,))
    if body is None:
        return f"the message has no text/{subtype}"
    to.write_text(body.get_content(), encoding="utf-8")
    return None


async def try_out(
    reactor: IReactor, config: Config, http: Http, kind: Kind, to: ThreePid, random: Random, say: Say
) -> bool:
    """
    Send a message with sample values, and tell each step; whether it was accepted.

    Raises :class:`TemplateError`.
    """
    notifier = build_notifier(config, reactor, _Told(http, say), random, say)
    say("the configuration is good, and so are all templates")
    say(f"the connector is {_connector(config, to.medium)}")
    site = mail_site(config) if to.medium == EMAIL else text_site(config)
    try:
        await notifier.send(samples(to, site)[kind])
    except SendFailed as error:
        say(f"{'refused for good' if error.permanent else 'failed, perhaps not for ever'}: {error}")
        return False
    say("accepted")
    return True


async def _test(reactor: IReactor, config: Config, kind: Kind, to: ThreePid) -> None:
    trust = Trust(config.outbound.ca_file, config.outbound.insecure_servers)
    http = HttpClient(reactor, Resolver(reactor, config.outbound.nameservers), trust, ANYWHERE)
    accepted = await try_out(reactor, config, http, kind, to, os.urandom, _say)
    sys.exit(0 if accepted else 1)


def _connector(config: Config, medium: str) -> str:
    if medium == MSISDN:
        return config.threepid.medium.msisdn.connector
    handler = config.notification.handler.email
    return config.threepid.medium.email.connector if handler == "raw" else handler


class _Told:
    """An HTTP client of which one hears what it does."""

    def __init__(self, http: Http, say: Say) -> None:
        self._http = http
        self._say = say

    async def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        self._say(f"> {method} {masked(url)}")
        answer = await self._http.request(method, url, **more)
        self._say(f"< {answer.status}")
        return answer


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="mxisd-notify", description="Look at messages, and try whether they can be sent.")
    parser.add_argument("-c", "--config", default="mxisd.yaml", help="the configuration file (mxisd.yaml)")
    actions = parser.add_subparsers(dest="action", required=True)
    look = actions.add_parser("preview", help="write a message with sample values to a file")
    look.add_argument("--to", required=True, type=Path, help="a file named .eml, .html, .txt or, for SMS, .sms")
    look.add_argument("--template", choices=KINDS, default="invite", help="which message (invite)")
    look.add_argument("--language", default="", help="in which language, if the template is there in several")
    test = actions.add_parser("test", help="send a message with sample values, and tell each step")
    test.add_argument("--to", required=True, help="an email address, or a phone number in international form")
    test.add_argument("--template", choices=KINDS, default="session.validation", help="which (session.validation)")
    return parser
