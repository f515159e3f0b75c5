"""``sql`` and ``synapseSql``: users in a database."""
