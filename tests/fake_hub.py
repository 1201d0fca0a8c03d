"""A stand-in for the Hugging Face hub: it lists one model's files and serves them, in ranges too."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40
NAME = "someone/fox"


@dataclass
class FakeHub:
    """What it holds, how it fails, and what it was asked."""

    folder: Path
    extra: tuple[str, ...] = ("modeling.py", "pytorch_model.bin", "onnx/model.onnx", "img_[1].json")
    """Files that are listed and must never be asked for."""
    gated: bool = False
    private: bool = False
    refusal: int = 0
    """A status with which everything is answered; 0: none."""
    page: str = ""
    """A page that stands where the API should be."""
    cut_after: int = 0
    """Bytes of the weights after which the connection breaks, once; 0: never."""
    claimed: int = 0
    """The size that the list gives for the weights; 0: the true one."""
    asked: list[str] = field(default_factory=list)
    """Method, path below the repository, and range."""
    address: str = ""

    def files(self) -> list[dict[str, Any]]:
        own = [{"rfilename": path.name, "size": path.stat().st_size} for path in sorted(self.folder.iterdir())]
        for file in own:
            if self.claimed and file["rfilename"] == "model.safetensors":
                file["size"] = self.claimed
        return [*own, *({"rfilename": name, "size": 10**15} for name in self.extra)]

    def downloads(self) -> list[str]:
        """Names of the files whose content was asked for, in order."""
        return [line.split()[1].rpartition("/")[2] for line in self.asked if re.match(r"GET \S+/resolve/", line)]


class Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
        if self.hub.refusal:
            return self._say(self.hub.refusal, b"")
        if self.hub.page:
            return self._say(200, self.hub.page.encode())
        api = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/(.+))?", path)
        if api:
            return self._describe(api[1], api[2])
        place = re.fullmatch(rf"/{NAME}/resolve/([^/]+)/(.+)", path)
        if place is None or not (self.hub.folder / place[2]).is_file():
            return self._say(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        if self.hub.gated:
            return self._say(403, b"", {"X-Error-Code": "GatedRepo"})
        self._send(place[2])

    def _describe(self, name: str, revision: str | None) -> None:
        if name != NAME or self.hub.private:
            return self._say(401, b"", {} if name == NAME else {"X-Error-Code": "RepoNotFound"})
        if revision not in (None, "main", COMMIT):
            return self._say(404, b"", {"X-Error-Code": "RevisionNotFound"})
        self._say(200, json.dumps({"id": NAME, "sha": COMMIT, "siblings": self.hub.files()}).encode())

    def _send(self, name: str) -> None:
        content = (self.hub.folder / name).read_bytes()
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(start[1]) if start else 0
        if start:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        cut = 0
        if name == "model.safetensors" and self.command == "GET":
            cut, self.hub.cut_after = self.hub.cut_after, 0
        self._say(206 if start else 200, content[first:], headers, cut=cut)

    def _say(self, status: int, content: bytes, headers: dict[str, str] | None = None, *, cut: int = 0) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: cut or None])
        if cut:
            self.wfile.flush()
            self.close_connection = True


@contextmanager
def running_hub(hub: FakeHub) -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
