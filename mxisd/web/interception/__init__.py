"""Requests to the homeserver that mxisd checks before they reach it, or whose answers it adds to."""
