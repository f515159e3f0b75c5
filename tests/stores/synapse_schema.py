"""Makes the tables of a Synapse, when run by its Python with the name of an engine and its arguments as JSON."""

import json
import sys

from synapse.storage.database import LoggingDatabaseConnection
from synapse.storage.engines import create_engine
from synapse.storage.prepare_database import prepare_database

if __name__ == "__main__":
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    engine = create_engine({"name": name, "args": arguments})
    connection = engine.module.connect(**arguments)
    logged = LoggingDatabaseConnection(
        conn=connection, engine=engine, default_txn_name="schema", server_name="example.org"
    )
    prepare_database(logged, engine, None)
    connection.commit()
