"""
The command ``mxisd``, with which administrators check a configuration and try out parts of it.

:mod:`mxisd.cli.main` is the command line; each other module has the subcommands about one subject.
"""
