"""A MariaDB."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from tests.integration.process import Process, free_port, listens
from tests.servers.folder import folder


class MariaDB:
    """Lets ``mxisd`` in with the password ``se%cr&t?``; its database is ``people``."""

    user = "mxisd"
    password = "se%cr&t?"

    def __init__(self) -> None:
        self.port = free_port()
        where = folder("mariadb")
        data = where / "data"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        setup = where / "setup.sql"
        setup.write_text(
            "CREATE DATABASE people CHARACTER SET utf8mb4;\n"
            f"CREATE USER 'mxisd'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON *.* TO 'mxisd'@'127.0.0.1';\n"
        )
        self.process = Process(
            [
                *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={where}/socket"),
                *("--bind-address=127.0.0.1", f"--port={self.port}", f"--init-file={setup}"),
                *("--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", f"--pid-file={where}/pid"),
            ],
            where.with_suffix(".log"),
        )
        self.process.wait_until(lambda: listens(self.port))


@cache
def mariadb() -> MariaDB:
    """The one that all tests share."""
    return MariaDB()


def available() -> bool:
    """Whether it is installed."""
    return shutil.which("mariadbd") is not None
