"""``ldap`` and ``netiq``: users in a directory server."""
