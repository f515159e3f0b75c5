"""
Messages to addresses: email and SMS.

:mod:`~mxisd.notify.messages` is what can be said, :mod:`~mxisd.notify.template` and :mod:`~mxisd.notify.mail` put it
into words, a :class:`Connector` brings it on its way, and :class:`Notifier` is where messages are handed in.
:func:`mxisd.notify.build.build_notifier` makes one from the configuration.
"""

from .messages import InviteMessage, MatrixIdInvite, Message, Reminder, UnbindNotice, UnbindWarning, Validation
from .notifier import Channel, Connector, MessageSender, Notifier, SendFailed

__all__ = [
    "Channel",
    "Connector",
    "InviteMessage",
    "MatrixIdInvite",
    "Message",
    "MessageSender",
    "Notifier",
    "Reminder",
    "SendFailed",
    "UnbindNotice",
    "UnbindWarning",
    "Validation",
]
