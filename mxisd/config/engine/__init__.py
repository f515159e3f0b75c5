"""How a configuration file is read; what it may say is in the files above this folder."""
