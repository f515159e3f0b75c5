"""Rate limits: how often somebody may have mails and text messages sent, look up, guess and register."""
