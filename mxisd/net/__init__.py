"""The network: connections to other servers, DNS, TLS, and which addresses may be reached.  Knows nothing of Matrix."""
