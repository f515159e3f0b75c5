"""``mxisd notify``: look at messages, and try whether they can be sent."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from email.headerregistry import Address
from pathlib import Path
from typing import Any, get_args

from ..clock import Random, token
from ..config import Config
from ..languages import ENGLISH, LANGUAGES
from ..masking import masked
from ..matrix.threepid import EMAIL, MSISDN, ThreePid, canonical
from ..net.dns import Resolver
from ..net.http_client import Http, HttpClient, HttpResponse
from ..net.networks import ANYWHERE
from ..net.tls import Trust
from ..notify.build import build_notifier
from ..notify.mail import address
from ..notify.messages import Kind
from ..notify.notifier import SendFailed, worded
from ..notify.samples import samples
from ..notify.template import Warn, logged
from ..notify.wordings import built_in_template, mail_site, mail_templates, text_site, text_templates
from ..reactor import IReactor
from .command import CommandFailed, ExitCode, Invocation, Subcommands
from .output import Output

KINDS: tuple[Kind, ...] = get_args(Kind)

# What can be written of an email, by the ending of the file's name.
_PARTS = {".html": "html", ".txt": "plain"}


def add(subcommands: Subcommands) -> None:
    """Declare the subcommands of this module, and their options."""
    parser = subcommands.add("notify preview", run_preview, "write a message with sample values to a file")
    parser.add_argument(
        "--to", required=True, type=_preview_path, metavar="FILE", help="named .eml, .html, .txt or, for SMS, .sms"
    )
    parser.add_argument("--template", choices=KINDS, default="invite", help="which message (invite)")
    parser.add_argument("--language", default="", help="in which language, if the template is there in several")
    text = "write a built-in template to a file, to make it your own"
    parser = subcommands.add("notify template", run_template, text)
    parser.add_argument("--to", required=True, type=_template_path, metavar="FILE", help="named .eml or, for SMS, .txt")
    parser.add_argument("--template", choices=KINDS, default="invite", help="which message (invite)")
    parser.add_argument("--language", choices=LANGUAGES, default=ENGLISH, help="in which language (en)")
    parser = subcommands.add("notify test", run_test, "send a message with sample values, and tell each step")
    parser.add_argument("--to", required=True, help="an email address, or a phone number in international form")
    parser.add_argument(
        "--template", choices=KINDS, default="session.validation", help="which message (session.validation)"
    )


async def run_preview(invocation: Invocation) -> ExitCode:
    """Write a message to a file."""
    options = invocation.options
    say = invocation.output.error
    preview(invocation.config(), options.template, options.language, options.to, os.urandom, say)
    invocation.output.line(f"written to {options.to}", file=str(options.to))
    return ExitCode.YES


async def run_template(invocation: Invocation) -> ExitCode:
    """Write a template to a file."""
    options, to = invocation.options, invocation.options.to
    medium = EMAIL if to.suffix == ".eml" else MSISDN
    text = built_in_template(invocation.config(), options.template, medium, options.language)
    to.write_text(text, encoding="utf-8")
    invocation.output.line(f"written to {to}", file=str(to))
    return ExitCode.YES


async def run_test(invocation: Invocation) -> ExitCode:
    """Send a message; done if it was accepted."""
    options, reactor = invocation.options, invocation.reactor
    to = canonical(EMAIL if "@" in options.to else MSISDN, options.to)
    config = invocation.config()
    trust = Trust(config.outbound.ca_file, config.outbound.insecure_servers)
    http = HttpClient(reactor, Resolver(reactor, config.outbound.nameservers), trust, ANYWHERE)
    output = invocation.output
    accepted = await try_out(reactor, config, http, options.template, to, os.urandom, output)
    return ExitCode.YES if accepted else ExitCode.NO


def _preview_path(text: str) -> Path:
    path = Path(text)
    if path.suffix not in {".eml", ".sms", *_PARTS}:
        raise ArgumentTypeError(f"{path}: expected a file named .eml, .html, .txt or .sms")
    return path


def _template_path(text: str) -> Path:
    path = Path(text)
    if path.suffix not in {".eml", ".txt"}:
        raise ArgumentTypeError(f"{path}: expected a file named .eml or .txt")
    return path


def preview(config: Config, kind: Kind, language: str, to: Path, random: Random, warn: Warn = logged) -> None:
    """
    Write a message with sample values to a file: ``.eml``, ``.html`` and ``.txt`` of an email, ``.sms`` a text message.

    ``warn`` is told what the administrator should know of the templates.

    Raises :class:`~mxisd.notify.template.TemplateError`, :class:`CommandFailed`, :class:`OSError`.
    """
    if to.suffix == ".sms":
        site = text_site(config)
        message = samples(ThreePid(MSISDN, "15551234567"), site, language)[kind]
        text = worded(message, site, text_templates(config, warn))
        to.write_text(f"{text}\n", encoding="utf-8")
        return
    site = mail_site(config)
    message = samples(ThreePid(EMAIL, "bob@example.org"), site, language)[kind]
    mail = worded(message, site, mail_templates(config, warn))
    if to.suffix == ".eml":
        sender = Address(site.from_name, addr_spec=site.from_email or f"mxisd@{site.domain}")
        address(mail, sender, message.threepid.address, 0, token(random, 16))
        to.write_bytes(mail.as_bytes())
        return
    subtype = _PARTS[to.suffix]
    body = mail.get_body((subtype,))
    if body is None:
        raise CommandFailed(f"the message has no text/{subtype}")
    to.write_text(body.get_content(), encoding="utf-8")


async def try_out(
    reactor: IReactor, config: Config, http: Http, kind: Kind, to: ThreePid, random: Random, output: Output
) -> bool:
    """
    Send a message with sample values, and print each step; whether it was accepted.

    Raises :class:`~mxisd.notify.template.TemplateError`.
    """
    notifier = build_notifier(config, reactor, _PrintingHttp(http, output.line), random, output.line, output.line)
    output.line("the configuration is good, and so are all templates")
    connector = _connector(config, to.medium)
    output.line(f"the connector is {connector}", connector=connector)
    site = mail_site(config) if to.medium == EMAIL else text_site(config)
    try:
        await notifier.send(samples(to, site)[kind])
    except SendFailed as error:
        text = "refused for good" if error.permanent else "failed, and may work later"
        output.line(f"{text}: {error}", accepted=False, permanent=error.permanent)
        return False
    output.line("accepted", accepted=True)
    return True


def _connector(config: Config, medium: str) -> str:
    if medium == MSISDN:
        return config.threepid.medium.msisdn.connector
    handler = config.notification.sends(EMAIL)
    return config.threepid.medium.email.connector if handler == "raw" else handler or "none"


class _PrintingHttp:
    """An HTTP client that prints what it asks and what is answered, without the query, which may have secrets."""

    def __init__(self, http: Http, say: Callable[[str], None]) -> None:
        self._http = http
        self._say = say

    async def request(self, method: str, url: str, **more: Any) -> HttpResponse:
        self._say(f"> {method} {masked(url)}")
        answer = await self._http.request(method, url, **more)
        self._say(f"< {answer.status}")
        return answer
