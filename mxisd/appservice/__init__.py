"""mxisd as an application service of its homeserver: what it is told of rooms, and the users that it acts as there."""
