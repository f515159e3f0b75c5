"""Who is behind a 3PID?  A chain of sources, asked in order."""
