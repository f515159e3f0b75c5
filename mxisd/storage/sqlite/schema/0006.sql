-- IDs of transactions are not unique: a homeserver may begin to count again.  What an older mxisd has done is forgotten,
-- since it did not note what was in them.
DROP TABLE transactions;
CREATE TABLE transactions (
    txn_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    done_at INTEGER NOT NULL,
    PRIMARY KEY (txn_id, digest)
) WITHOUT ROWID;
