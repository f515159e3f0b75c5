"""Requests to the homeserver that mxisd judges before they reach it, or whose answers it adds to."""
