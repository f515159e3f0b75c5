"""Requests to the homeserver that mxisd judges before they reach it."""
