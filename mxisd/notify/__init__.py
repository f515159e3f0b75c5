"""
Messages to addresses: email and SMS.

Other packages call a :class:`Notifier` with one of the messages in :mod:`~mxisd.notify.messages`.  A template
(:mod:`~mxisd.notify.template`, :mod:`~mxisd.notify.mail`) makes a text or an email of it, and a :class:`Connector`
passes that on to a mail server or a provider.  :func:`mxisd.notify.build.build_notifier` makes the notifier from the
configuration.
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
