"""GET /health, GET /metrics, and a page at / for as long as the web pages are not built."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST

from chatwright.serving.service import AskingOf

__all__ = ["page_router", "router"]

router = APIRouter()
page_router = APIRouter()

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>chatwright</title>
<h1>chatwright</h1>
<p>The API is running: <code>/v1</code> speaks OpenAI's language (<a href="v1/models">models</a>,
<a href="openapi.json">description</a>), and <a href="metrics">metrics</a> are for Prometheus.</p>
<p>The chat pages are not built here. With Node's <code>npm</code> installed, run
<code>pip install --force-reinstall --no-deps .</code> in chatwright's source folder, or
<code>npm ci &amp;&amp; npm run build</code> in its folder <code>web</code>, and start the server again.</p>
</html>
"""
STRICT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@router.get("/health", summary="Is the server there?")
async def health() -> Any:
    return {"status": "ok"}


@router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
async def metrics(asking: AskingOf) -> Response:
    return Response(asking.service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@page_router.get("/", include_in_schema=False)
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"content-security-policy": STRICT})
