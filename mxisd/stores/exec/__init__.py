"""``exec``: users behind programs of the administrator's."""
