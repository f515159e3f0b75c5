"""What real old servers left on disk, copied to a folder of the test: see ``old/README.md``."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copytree
from typing import Any

OLD = Path(__file__).parent / "old"
# Those that had a database, and the name of their configuration.
WITH_DATA = {"mxisd-sqlite": "mxisd.yaml", "ma1sd-sqlite": "ma1sd.yaml", "ma1sd-postgresql": "ma1sd.yaml"}


class OldServer:
    """One of them; all of it is in ``folder``."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        copytree(OLD / name, self.folder)
        self.facts: Any = json.loads((self.folder / "facts.json").read_text())
        if name in WITH_DATA:
            self.config = self.folder / WITH_DATA[name]
            self.config.write_text(self.config.read_text().replace("DATA", str(self.folder)))

    @property
    def keys(self) -> Path:
        """What its ``key.path`` named."""
        single = self.folder / "sign.key"
        return single if single.exists() else self.folder / "keys"

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.folder / "store.db"

    def change(self, *statements: str) -> None:
        """Change what is in the database, by SQL."""
        with closing(sqlite3.connect(self.database)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def contents(self) -> dict[str, bytes]:
        """Every file by its name, to see that nothing has changed."""
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
