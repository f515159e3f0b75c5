"""mxisd: a federated Matrix identity server."""

__version__ = "0.1.0"
