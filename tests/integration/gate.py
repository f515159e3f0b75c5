"""A way to a server, on which answers can get lost."""

from __future__ import annotations

import socket
from threading import Thread

from tests.integration.process import free_port


class Gate:
    """
    Listens on 127.0.0.1 at ``port``, and passes on what comes to the port ``behind`` it.

    While ``answers`` is false, what comes back gets lost, and nobody notices.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.behind = 0
        self.answers = True
        self.open()

    def open(self) -> None:
        """Listen, again after :meth:`close`."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections, as a server does that is down."""
        # It wakes the thread, which closing would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.behind))
            except OSError:
                return
            for source, target, is_answer in ((client, server, False), (server, client, True)):
                Thread(target=self._pass_on, args=(source, target, is_answer), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(65536):
                if self.answers or not is_answer:
                    target.sendall(data)
        except OSError:
            pass
        if is_answer and not self.answers:
            return  # whoever waits for it waits on
        # Not at once: what was sent last is to arrive.
        for each, how in ((source, socket.SHUT_RD), (target, socket.SHUT_WR)):
            try:
                each.shutdown(how)
            except OSError:
                each.close()
