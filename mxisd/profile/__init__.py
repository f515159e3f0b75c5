"""What is known of a user, beside what the homeserver says."""
