"""The life of a 3PID invite, from ``store-invite`` to the homeserver's answer."""
