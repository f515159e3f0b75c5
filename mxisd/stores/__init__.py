"""Identity stores: where administrators keep their people."""
