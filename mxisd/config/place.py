"""
Where the configuration is, as the containers and the service units of mxisd 1.x and ma1sd knew it.

Their images wrote a file from the environment if there was none.  Here it is read as if it were there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .engine.problems import ConfigError

USUAL = Path("mxisd.yaml")
# Those of the old images come last, so that a file of one's own counts.
_OTHERS = (Path("ma1sd.yaml"), Path("/etc/mxisd/mxisd.yaml"), Path("/etc/ma1sd/ma1sd.yaml"))
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "MATRIX_DOMAIN": ("matrix", "domain"),
    "SIGN_KEY_PATH": ("key", "path"),
    "SQLITE_DATABASE_PATH": ("storage", "provider", "sqlite", "database"),
}
# The first counts.
_LEVELS = ("MXISD_LOG_LEVEL", "MA1SD_LOG_LEVEL")


def usual(environ: Mapping[str, str]) -> Path:
    """The file that is meant if none is named."""
    if named := environ.get("CONF_FILE_PATH"):
        return Path(named)
    return next((path for path in (USUAL, *_OTHERS) if path.exists()), USUAL)


def text_of(path: Path, environ: Mapping[str, str]) -> str:
    """The text of a file, or of what stands in for one that is not there.  Raises :class:`ConfigError`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        if "MATRIX_DOMAIN" in environ:
            return _from_environment(environ)
        raise ConfigError([f"cannot read {path}: {error.strerror}"]) from None
    except OSError as error:
        raise ConfigError([f"cannot read {path}: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"cannot read {path}: not UTF-8 at byte {error.start}"]) from None


def standing_in(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that are read in place of a file."""
    return () if path.exists() else tuple(name for name in _VARIABLES if environ.get(name))


def level(environ: Mapping[str, str]) -> str | None:
    """What the environment wants logged, whatever the file says."""
    return next((environ[name] for name in _LEVELS if environ.get(name)), None)


def _from_environment(environ: Mapping[str, str]) -> str:
    content: dict[str, Any] = {}
    for name, (*sections, key) in _VARIABLES.items():
        section = content
        for each in sections:
            section = section.setdefault(each, {})
        # What is in a variable is no reference to another.
        section[key] = environ.get(name, "").replace("${", "$${") or None
    return str(yaml.safe_dump(content))
