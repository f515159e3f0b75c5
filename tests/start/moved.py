"""Old files, those of ``tests/config/deployments``, with which mxisd starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.start.rows import Keys, Row

FILES = (Path(__file__).parents[1] / "config/deployments").glob("*.yaml")


def _here(text: str) -> Keys:
    """The sections of a file, with what is of this machine."""
    sections: dict[str, Any] = yaml.safe_load(text.replace("data/", "FOLDER/"))
    server = {**sections.get("server", {}), "bind": "tcp:FREE:interface=127.0.0.1"}
    return {**sections, "server": server, "outbound": {"nameservers": "127.0.0.1:9"}}


MOVED = {path.stem: Row(_here(path.read_text(encoding="utf-8"))) for path in FILES}
