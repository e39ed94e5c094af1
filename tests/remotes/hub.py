"""A Hugging Face hub of one model on loopback: as much of its protocol as downloading needs."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def serve_hub(name: str, folder: Path):
    """The address of a hub that has the files of a folder as a model of this name."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(send=True)

        def do_HEAD(self):
            self._answer(send=False)

        def _answer(self, send: bool):
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{name}"):
                siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
                content = json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode()
                return self._send(200, content, send, {"Content-Type": "application/json"})
            file = path.rpartition("/")[2]
            if not path.startswith(f"/{name}/resolve/") or file not in files:
                return self._send(404, b"", send, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            content = files[file]
            etag = hashlib.sha256(content).hexdigest()
            return self._send(200, content, send, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

        def _send(self, status: int, content: bytes, send: bool, headers: dict[str, str]):
            self.send_response(status)
            for header in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(*header)
            self.end_headers()
            if send:
                self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
