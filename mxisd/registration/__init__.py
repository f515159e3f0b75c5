"""Registration on the homeserver, as far as it needs an address."""
