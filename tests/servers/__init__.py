"""
Real servers for tests: on ports of 127.0.0.1, in temporary folders, shared by all tests of a process.

They end with the process of the tests, however it ends.
"""
