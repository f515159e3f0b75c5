"""
What must survive a restart.

:mod:`mxisd.storage.records` are the things kept, :mod:`mxisd.storage.contract` what an engine promises about them.
Engines live beside: only :mod:`mxisd.storage.engine` imports them.
"""
