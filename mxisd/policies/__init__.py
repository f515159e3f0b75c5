"""Who may invite which address, and who may register with which address."""
