"""All benchmarks: ``python -m benchmarks``."""

from benchmarks import hashes, identity, interception, invites, postgresql, storage, stores, workers

for number in (10_000, 1_000_000):
    identity.run(number)
hashes.run()
interception.run()
invites.run()
postgresql.run()
storage.run()
stores.run()
workers.run()
