"""mxisd as an application service of its homeserver: it receives room events, and acts as users of its own."""
