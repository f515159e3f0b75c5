"""3PID validation sessions: an address is validated in one, and can then be bound to a user ID."""
