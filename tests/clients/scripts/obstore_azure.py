"""Get a token with the Rust library object_store, which uses api-version 2019-08-01 and header
names in lower case."""
# client: obstore

import http.server
import threading
from importlib.metadata import version

from obstore.store import AzureStore

seen: list[str] = []


class Storage(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen.append(self.headers["authorization"])
        body = b"five!"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 12:00:00 GMT")
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage) as storage:
    threading.Thread(target=storage.serve_forever, daemon=True).start()
    store = AzureStore(
        "container",
        config={"account_name": "account", "endpoint": f"http://127.0.0.1:{storage.server_port}"},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    assert bytes(store.get("blob").bytes()) == b"five!"
    storage.shutdown()
assert seen[0].startswith("Bearer ey")
print("obstore", version("obstore"))
