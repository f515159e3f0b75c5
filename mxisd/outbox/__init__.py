"""Telling others what was queued with a change of state: the worker, and what it delivers."""
