"""The user directory: whom the homeserver and the identity stores find, together."""
