"""Logins: whose an identifier is, and whether a password is right."""
