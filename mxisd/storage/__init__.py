"""
What must survive a restart.

:mod:`mxisd.storage.records` are the things kept, :mod:`mxisd.storage.contract` what an engine promises about them.
Engines live beside: only ``tap.py`` imports one.
"""
