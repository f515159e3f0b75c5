"""``view``: the pages that a validation link leads to."""

from __future__ import annotations

from msgspec.structs import replace

from .engine.section import Section
from .engine.values import ExistingFile


class OwnPages(Section):
    """Files to show instead of the built-in pages."""

    success: ExistingFile | None = None
    failure: ExistingFile | None = None


class OnTokenSubmit(OwnPages):
    """``confirm`` is whether the link leads to a page that asks first, and ``confirm_page`` a file to show there."""

    confirm: bool = True
    confirm_page: ExistingFile | None = None


class Local(Section):
    on_token_submit: OwnPages = OwnPages()


class Session(Section):
    """``local`` is where mxisd had the same keys before."""

    on_token_submit: OnTokenSubmit = OnTokenSubmit()
    local: Local = Local()


class View(Section):
    session: Session = Session()

    def resolved(self) -> View:
        own, old = self.session.on_token_submit, self.session.local.on_token_submit
        pages = replace(own, success=own.success or old.success, failure=own.failure or old.failure)
        return replace(self, session=replace(self.session, on_token_submit=pages))
