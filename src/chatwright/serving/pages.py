"""The web pages: the files built from web/ with strict headers, and index.html for every address that is a page.

In: the folder `static/` beside this file (made by `hatch_build.py`).  Out: a router; the pages themselves use only the
public API. Where the pages were not built, a plain page says how to build them and the API works all the same.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

__all__ = ["CONTENT_SECURITY_POLICY", "OPEN_PATHS", "ROUTES", "STATIC", "build"]

STATIC = Path(__file__).parent / "static"
ROUTES = ("chat", "playground", "tokens", "explain", "runs", "label", "admin", "login", "setup", "invite")
"""One path segment each, so that relative addresses work behind any proxy prefix."""
ROOT_FILES = ("icon.svg", "theme.js")
OPEN_PATHS = ("/", *(f"/{route}" for route in ROUTES), *(f"/{name}" for name in ROOT_FILES), "/assets/")
"""What a browser may read before anybody signed in: the same files for everyone, no data."""

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # invitations and set-up tokens stand in the address
    "Cross-Origin-Opener-Policy": "same-origin",
}
MEDIA_TYPES = {  # not from `mimetypes`: on Windows that reads the registry, where .js may be text/plain
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
COMPRESSED = (".html", ".js", ".css", ".svg", ".json")
FOREVER = "public, max-age=31536000, immutable"  # files under assets/ carry a hash of their content in the name
ASK_AGAIN = "no-cache"

NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>chatwright</title></head>
<body>
<h1>The pages are not built</h1>
<p>The API under <code>/v1</code> works. To build the pages, install Node.js 20.19 or newer, then run
<code>npm ci &amp;&amp; npm run build</code> in the folder <code>web</code> of the source, and reload.</p>
</body>
</html>
"""


@dataclass(frozen=True)
class File:
    """A built file, ready to send."""

    content: bytes
    compressed: bytes | None
    media_type: str
    tag: str


def build(folder: Path = STATIC) -> APIRouter:
    """The routes of the pages and their files. Put them after the API's routes: they answer GET only.

    folder: what Vite wrote; looked at on each request, so pages built while the server runs appear at once.
    """
    router = APIRouter(include_in_schema=False)

    def page(request: Request) -> Response:
        index = _find(folder, "index.html")
        if index is None:
            return Response(NOT_BUILT, 503, SECURITY_HEADERS, MEDIA_TYPES[".html"])
        return _send(request, index, ASK_AGAIN)

    def asset(request: Request, path: str) -> Response:
        return _file(request, folder, f"assets/{path}", FOREVER)

    def root_file(name: str) -> None:
        def get(request: Request) -> Response:
            return _file(request, folder, name, ASK_AGAIN)

        router.add_api_route(f"/{name}", get, methods=["GET", "HEAD"], response_class=Response)

    for route in ("", *ROUTES):
        router.add_api_route(f"/{route}", page, methods=["GET", "HEAD"], response_class=Response)
    router.add_api_route("/assets/{path:path}", asset, methods=["GET", "HEAD"], response_class=Response)
    for name in ROOT_FILES:
        root_file(name)
    return router


def _file(request: Request, folder: Path, name: str, cache: str) -> Response:
    file = _find(folder, name)
    if file is None:
        return Response("not found", 404, SECURITY_HEADERS, "text/plain; charset=utf-8")
    return _send(request, file, cache)


def _find(folder: Path, name: str) -> File | None:
    """The file, or None where there is none of a known kind inside the folder: `..` and links lead nowhere."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or path.suffix not in MEDIA_TYPES or not path.is_file():
        return None
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, changed: int, size: int) -> File:
    """The whole folder is a few hundred kilobytes: kept in memory, compressed once. The stamps end a stale entry."""
    content = path.read_bytes()
    compressed = gzip.compress(content, 9, mtime=0) if path.suffix in COMPRESSED else None
    return File(content, compressed, MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:24]}"')


def _send(request: Request, file: File, cache: str) -> Response:
    headers = {**SECURITY_HEADERS, "Cache-Control": cache, "ETag": file.tag, "Vary": "Accept-Encoding"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.compressed, 200, headers, file.media_type)
    return Response(file.content, 200, headers, file.media_type)
