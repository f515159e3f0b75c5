"""The identity service API, v1 (r0.2.0) and v2: :mod:`mxisd.web.identity.api` lists every path."""
