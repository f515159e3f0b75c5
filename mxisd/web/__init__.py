"""HTTP: one file an API, and nothing in it that is not about HTTP."""
