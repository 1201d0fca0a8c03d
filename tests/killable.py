"""A server of the pages' API in a process of its own, for tests that kill it: `python killable.py PLACE PORT`."""

from __future__ import annotations

import sys

import uvicorn

from chatwright.serving.settings import ServeSettings
from chatwright.serving.web.building import web_app
from chatwright.store import open_store


def main(place: str, port: int) -> None:
    with open_store(place) as store:
        app = web_app({}, store, settings=ServeSettings(host="0.0.0.0", behind_proxy=True))
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
