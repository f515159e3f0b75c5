"""
The HTTP server: requests off a connection, through a tree of twisted.web's resources, and the answers back.

``server`` accepts connections and sees to limits and time, ``connection`` is what happens on one of them, ``parser``
reads requests by the rules of RFC 9112, ``body`` and ``request`` are what resources see.
"""

from .body import IncomingBody
from .limits import Limits
from .parser import Refusal
from .request import HttpRequest
from .server import HttpServer, Stopping

__all__ = ["HttpRequest", "HttpServer", "IncomingBody", "Limits", "Refusal", "Stopping"]
