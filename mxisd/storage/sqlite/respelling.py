"""
The step to schema 3 that SQL alone cannot take: the domains of stored addresses become A-labels.

It knows the tables as they were then, and uses nothing that may change with them.
"""

from __future__ import annotations

import sqlite3

from ...log import Logger
from ...matrix.hashing import digest, digests
from ...matrix.threepid import EMAIL, ThreePid, fold

log = Logger()

# Sums up the spellings of one address; the newest comes first, and stays.
_OLDER_BINDINGS = """
    SELECT address FROM (
        SELECT address, row_number() OVER (PARTITION BY folded(address) ORDER BY bound_at DESC, address) AS place
        FROM bindings WHERE medium = 'email')
    WHERE place > 1"""
_OLDER_INVITES = """
    SELECT token FROM (
        SELECT token, row_number() OVER (
            PARTITION BY folded(address), room_id, sender ORDER BY created DESC, token) AS place
        FROM invites WHERE medium = 'email' AND ended IS NULL)
    WHERE place > 1"""


def respell(db: sqlite3.Connection) -> None:
    """
    Bring all addresses to their canonical form, and index them in all their spellings; the caller is in a transaction.

    Where two spellings of one address are bound the newer binding stays; of two pending invites by one sender into one
    room the newer one, and the other is cancelled.
    """
    db.create_function("folded", 1, lambda address: fold(EMAIL, address).address, deterministic=True)
    bindings, invites = _respell_bindings(db), _respell_invites(db)
    for table in ("sessions", "deliveries"):
        _respell(db, table)
    if bindings or invites:
        log.warn(
            "domains have one spelling now, and some addresses were known in two: {bindings} older bindings were"
            " deleted, {invites} older invites cancelled",
            bindings=bindings,
            invites=invites,
        )


def _respell(db: sqlite3.Connection, table: str) -> None:
    db.execute(
        f"UPDATE {table} SET address = folded(address)"  # noqa: S608 - the names are those above
        " WHERE medium = 'email' AND folded(address) <> address"
    )


def _respell_bindings(db: sqlite3.Connection) -> int:
    """Returns how many bindings were deleted."""
    respelt = db.execute(
        """SELECT address, folded(address) FROM bindings
           WHERE medium = 'email' AND (folded(address) <> address OR address LIKE '%xn--%')"""
    ).fetchall()
    deleted = db.execute(f"DELETE FROM bindings WHERE medium = 'email' AND address IN ({_OLDER_BINDINGS})").rowcount  # noqa: S608
    _respell(db, "bindings")
    indexes = db.execute(
        """SELECT listings.id, peppers.pepper FROM peppers
           JOIN listings ON listings.pepper = peppers.id AND source = ''"""
    ).fetchall()
    for listing, pepper in indexes:
        old = [(listing, digest(ThreePid(EMAIL, address), pepper)) for address, _ in respelt]
        db.executemany("DELETE FROM hashes WHERE listing = ? AND digest = ?", old)
        new = [
            (listing, hashed, address)
            for address in dict.fromkeys(address for _, address in respelt)
            for hashed in digests(ThreePid(EMAIL, address), pepper)
        ]
        db.executemany(
            """INSERT OR REPLACE INTO hashes
               SELECT ?, ?, user_id FROM bindings WHERE medium = 'email' AND address = ?""",
            new,
        )
    return deleted


def _respell_invites(db: sqlite3.Connection) -> int:
    """Returns how many invites were cancelled."""
    older = db.execute(_OLDER_INVITES).fetchall()
    for (token,) in older:
        db.execute(
            """UPDATE invites SET ended = 'cancelled', ended_at = created, ephemeral_private_key = ''
               WHERE token = ?""",
            (token,),
        )
        db.execute(
            """UPDATE deliveries SET state = 'abandoned', answer = 'the address has been invited in another spelling'
               WHERE token = ? AND kind <> 'onbind' AND state = 'queued'""",
            (token,),
        )
    _respell(db, "invites")
    return len(older)
