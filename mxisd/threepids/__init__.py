"""Third-party identifiers (3PIDs): validating an address, binding it to a user ID, and unbinding it."""
