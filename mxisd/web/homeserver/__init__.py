"""What our homeserver asks: policies, passwords, and the application service API."""
