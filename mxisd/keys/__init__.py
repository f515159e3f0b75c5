"""The keys that we sign with: in a file, or shared by all processes through the storage."""
