"""Association lookup: which user an address belongs to.  A chain of sources, asked in order."""
