"""Bindings in the index of hashed addresses: parts of statements that put them there, and take them out."""

from __future__ import annotations

from .statement import Statement, statement

# Of those who change which peppers there are, one at a time; meanwhile nobody binds or unbinds.
PEPPERS_LOCK = statement("SELECT pg_advisory_xact_lock(hashtextextended('mxisd peppers', 0))")
LISTED: Statement = statement("SELECT pg_advisory_xact_lock_shared(hashtextextended('mxisd peppers', 0))")
"""How a step begins that binds or unbinds: no pepper comes that it does not know."""

_DIGEST = (
    "translate(rtrim(encode(sha256(convert_to("
    "spelling || ' ' || medium || ' ' || peppers.pepper, 'UTF8')), 'base64'), '='), '+/', '-_')"
)
# Of our bindings, for which the source is ''.
_LISTINGS = "mxisd_peppers AS peppers JOIN mxisd_listings AS listings ON listings.pepper = peppers.id AND source = ''"

INDEXED = f"""
    indexed AS (
        INSERT INTO mxisd_hashes AS hashes (listing, digest, user_id)
        SELECT listings.id, {_DIGEST}, user_id
        FROM bound CROSS JOIN unnest(spellings) AS spelling CROSS JOIN {_LISTINGS}
        ON CONFLICT (listing, digest) DO UPDATE SET user_id = excluded.user_id)"""
"""Part of a statement that puts ``bound`` into the index, under every pepper, including one that is being prepared."""

# Under a pepper that is being prepared there has to be a mark instead: whoever prepares it may have read the binding
# already, and must not add it later.
FORGOTTEN = f"""
    sought AS (
        SELECT listings.id AS listing, {_DIGEST} AS digest, in_use
        FROM unbound CROSS JOIN unnest(spellings) AS spelling CROSS JOIN {_LISTINGS}),
    forgotten AS (
        DELETE FROM mxisd_hashes AS hashes USING sought
        WHERE in_use AND hashes.listing = sought.listing AND hashes.digest = sought.digest),
    marked AS (
        INSERT INTO mxisd_hashes (listing, digest, user_id) SELECT listing, digest, '' FROM sought WHERE NOT in_use
        ON CONFLICT (listing, digest) DO UPDATE SET user_id = '')"""
"""Part of a statement that takes ``unbound`` out of the index."""

# What is there already is newer: those bindings have changed since they were read.
INDEX = f"""
    WITH listed AS (
        UPDATE mxisd_peppers SET touched_at = now() WHERE pepper = :pepper RETURNING *),
    bound AS (
        SELECT * FROM mxisd_bindings WHERE (address, medium) > (:address, :medium)
        ORDER BY address, medium LIMIT :step),
    indexed AS (
        INSERT INTO mxisd_hashes (listing, digest, user_id)
        SELECT listings.id, {_DIGEST}, user_id
        FROM bound CROSS JOIN unnest(spellings) AS spelling
        CROSS JOIN listed AS peppers JOIN mxisd_listings AS listings ON listings.pepper = peppers.id AND source = ''
        ON CONFLICT DO NOTHING)
    SELECT address, medium, EXISTS (SELECT FROM listed) AS listed FROM bound
    ORDER BY address DESC, medium DESC LIMIT 1"""
