"""Accounts of the v2 API: access tokens, and the terms that their users have accepted."""
