"""``python -m mxisd``: the same as the command ``mxisd``."""

from .cli.main import main

main()
