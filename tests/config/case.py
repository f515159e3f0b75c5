"""Configuration files to be read."""

from pathlib import Path
from textwrap import dedent
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mxisd.config import Config, ConfigError, load
from mxisd.core import Core, DryEnds
from mxisd.reactor import IReactor

DOMAIN = "matrix: {domain: example.org}\n"


class ConfigCase(SynchronousTestCase):
    """Reads configurations in a directory of their own."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(parents=True)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def config(self, text: str = "", /, **environ: str) -> Config:
        """What is read of a file for example.org."""
        return self.whole(DOMAIN + dedent(text), **environ)

    def whole(self, text: str, /, **environ: str) -> Config:
        return load(self.write("mxisd.yaml", text), environ)

    def core(self, config: Config, reactor: IReactorTime | None = None) -> Core:
        """What the parts of a server stand on, with nothing outside that it could change."""
        return Core(config, cast("IReactor", reactor or Clock()), DryEnds(), environ={})

    def problems(self, text: str, /, **environ: str) -> list[str]:
        """What is wrong with a file for example.org, whose domain is line 1."""
        with self.assertRaises(ConfigError) as raised:
            self.config(text, **environ)
        self.assertEqual(str(raised.exception).splitlines(), list(raised.exception.problems))
        return list(raised.exception.problems)
