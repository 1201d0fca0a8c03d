"""The description of the API as it is committed: `python -m chatwright.serving.openapi > web/openapi.json`.

In: the app, without models.  Out: OpenAPI as JSON, the same on every machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from chatwright.serving.web.building import web_app
from chatwright.store import open_store

__all__ = ["description"]


def description() -> str:
    """The OpenAPI description of everything that `chatwright serve` answers, with a line end."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "none.db") as store:
        described = web_app({}, store).openapi()
    described["info"]["version"] = "1"  # of the API; the package's would change the file with every release
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(description())
