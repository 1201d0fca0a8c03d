"""The files of the pages and their headers, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from chatwright.serving import pages


def client_of(folder: Path) -> TestClient:
    app = FastAPI()
    app.include_router(pages.build(folder))
    return TestClient(app)


def built(folder: Path) -> Path:
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>x</title>")
    (folder / "assets" / "page-1.js").write_text("export const x = 1;\n" * 200)
    (folder / "built-from.txt").write_text("secret")
    return folder


def test_every_page_answers_with_strict_headers(tmp_path: Path) -> None:
    client = client_of(built(tmp_path))
    for route in ("", *pages.ROUTES):
        answer = client.get(f"/{route}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
        assert answer.headers["content-security-policy"] == pages.CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
    assert "unsafe" not in pages.CONTENT_SECURITY_POLICY


def test_scripts_are_scripts_whatever_the_system_says_and_are_kept_for_ever(tmp_path: Path) -> None:
    answer = client_of(built(tmp_path)).get("/assets/page-1.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip" and answer.text.startswith("export const x")
    plain = client_of(tmp_path).get("/assets/page-1.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.text == answer.text


def test_an_unchanged_page_is_not_sent_again(tmp_path: Path) -> None:
    client = client_of(built(tmp_path))
    tag = client.get("/chat").headers["etag"]
    again = client.get("/chat", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    (tmp_path / "index.html").write_text("<!doctype html><title>another</title>")
    assert client.get("/chat", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("path", ["/assets/../built-from.txt", "/assets/%2e%2e/built-from.txt", "/assets/none.js"])
def test_nothing_outside_the_built_files_is_served(tmp_path: Path, path: str) -> None:
    answer = client_of(built(tmp_path)).get(path)
    assert answer.status_code == 404 and "secret" not in answer.text


def test_a_link_out_of_the_folder_leads_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    built(folder)
    (tmp_path / "outside.json").write_text("secret")
    (folder / "assets" / "link.json").symlink_to(tmp_path / "outside.json")
    assert client_of(folder).get("/assets/link.json").status_code == 404


def test_without_built_pages_the_answer_says_how_to_build_them(tmp_path: Path) -> None:
    answer = client_of(tmp_path).get("/chat")
    assert answer.status_code == 503 and "npm ci" in answer.text
    built(tmp_path)  # no restart needed
    assert client_of(tmp_path).get("/chat").status_code == 200


def test_the_lock_file_holds_no_download_addresses() -> None:
    lock = (Path(__file__).parents[1] / "web" / "package-lock.json").read_text()
    assert '"resolved"' not in lock and ".tgz" not in lock
    assert lock.count('"integrity"') > 20
