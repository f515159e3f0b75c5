"""
Everything that must survive a restart.

:mod:`mxisd.storage.records` defines what is stored, :mod:`mxisd.storage.contract` the methods every engine has.
The engines are in :mod:`mxisd.storage.sqlite` and :mod:`mxisd.storage.redis`; only :mod:`mxisd.storage.engine` imports
them.
"""
