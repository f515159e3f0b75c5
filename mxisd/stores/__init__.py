"""Identity stores: where an organisation keeps its users."""
