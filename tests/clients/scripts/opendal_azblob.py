"""Get a token with the Rust library reqsign, which then sends it to a server that this script
starts."""
# client: opendal

import http.server
import threading
from importlib.metadata import version

import opendal

seen: list[str] = []


class Storage(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen.append(self.headers["authorization"])
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"five!")

    def log_message(self, *args: object) -> None:
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage) as storage:
    threading.Thread(target=storage.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{storage.server_port}"
    operator = opendal.Operator("azblob", container="container", endpoint=endpoint, account_name="account")
    assert bytes(operator.read("blob")) == b"five!"
    storage.shutdown()
assert seen[0].startswith("Bearer ey")
print("opendal", version("opendal"))
