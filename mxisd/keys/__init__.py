"""The signing keys of this server: in a file, or in the storage, for all processes."""
