"""The endpoints that our homeserver calls: policies, passwords, and the application service API."""
