"""
Where a database is and how it is reached: what administrators write, and what client libraries want to know.

Both the storage and the identity stores read it so.
"""
