"""The licence server in several processes: one address, one pair of keys, one memory of what was used.

    python3 workers.py --port 8000 --workers 4 --redis 127.0.0.1:6379 --subscription 11111111-2222-3333-4444-555555555555

Any process may hand out a challenge and any other may answer it: the keys are the same. That no document is used twice is decided in one place, by
Redis or Valkey in one step; while that cannot be asked nobody is admitted (503), whichever process is asked. A process that dies is replaced.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import signal
import socket
import sys
import time
from http.server import ThreadingHTTPServer
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

import redis
from licence_server import Handler, Licences
from redis.backoff import NoBackoff
from redis.retry import Retry

from imdskit.errors import ImdskitError
from imdskit.verify import Trust
from imdskit.verify.stores.redis import RedisStore

REPLACED_EVERY = 1.0
"""Seconds between two replacements: processes that die at once must not become a storm."""
_log = logging.getLogger("workers")


def work(listener: socket.socket, options: argparse.Namespace, keys: tuple[bytes, bytes]) -> None:
    """One process: answers whoever it can take off the listener before the others do."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host, _, port = options.redis.rpartition(":")
    # Made here and not before the fork: a connection is one process' own. No retries: what did not come through may have been done.
    client = redis.Redis(host=host, port=int(port), socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
    store = RedisStore(client, redis.RedisError)
    trust = Trust.from_pem([path.read_bytes() for path in options.trust]) if options.trust else None
    licences = Licences(frozenset(options.subscription), store, trust, keys=keys)
    server = ThreadingHTTPServer(listener.getsockname(), type("Bound", (Handler,), {"licences": licences}), bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


def supervise(listener: socket.socket, options: argparse.Namespace) -> None:
    """Keep so many processes going until a signal ends this one."""
    context = get_context("fork")
    keys = (secrets.token_bytes(32), secrets.token_bytes(32))

    def start() -> ForkProcess:
        process = context.Process(target=work, args=(listener, options, keys), daemon=True)  # ends with this one
        process.start()
        return process

    processes = [start() for _ in range(options.workers)]
    host, port = listener.getsockname()
    print(json.dumps({"url": f"http://{host}:{port}", "workers": [process.pid for process in processes]}), flush=True)
    while True:
        connection.wait([process.sentinel for process in processes])
        for index, process in enumerate(processes):
            if not process.is_alive():
                _log.error("worker %d ended with %s and is replaced", process.pid, process.exitcode)
                processes[index] = start()
        time.sleep(REPLACED_EVERY)


def main() -> int:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--redis", metavar="HOST:PORT", default="127.0.0.1:6379")
    parser.add_argument(
        "--trust", metavar="PEM", type=Path, action="append", default=[], help="instead of the Azure clouds; may be repeated"
    )
    parser.add_argument("--subscription", action="append", default=[], help="that has a licence; may be repeated")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="log: %(process)d: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with socket.create_server(("127.0.0.1", options.port), backlog=128) as listener:
            listener.setblocking(False)  # of several processes that wake for one connection, one gets it
            supervise(listener, options)
    except (ImdskitError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
