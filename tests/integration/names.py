"""A real name server: the one that comes with Twisted."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.integration.process import Process, free_port, listens

TWISTD = Path(sys.executable).with_name("twistd")


class Names:
    """
    Answers for the domain ``test``, and says of all other names that there is none such.

    ``records`` are as ``twistd dns --pyzone`` has them: ``SRV("_matrix._tcp.test", 10, 5, 8448, "host.test")`` say.
    """

    def __init__(self, folder: Path, *records: str) -> None:
        folder.mkdir()
        zone = folder / "zone.py"
        soa = 'SOA("test", "ns.test", "root.test", 1, 60, 60, 60, 60)'
        zone.write_text(f"zone = [{', '.join([soa, *records])}]\n")
        port = free_port()
        command: list[str | Path] = [
            TWISTD,
            "-n",
            "--pidfile=",
            "dns",
            "--pyzone",
            zone,
            "-i",
            "127.0.0.1",
            "-p",
            str(port),
        ]
        self._process = Process(command, folder / "names.log")
        self._process.wait_until(lambda: listens(port))
        self.address = f"127.0.0.1:{port}"

    def stop(self) -> None:
        self._process.stop()
