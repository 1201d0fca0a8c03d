"""What the routes of `/api/v1` work with besides the service: the store, models as they are served, runs, jobs.

In: parts, given once to `web_app`.  Out: one object, found at `app.state.web`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from chatwright.serving.settings import ServeSettings
from chatwright.serving.web.quiet import QuietWorker

if TYPE_CHECKING:
    from chatwright.serving.web.inside import Inside
    from chatwright.serving.web.judges import Judges
    from chatwright.serving.web.shelf import Shelf
    from chatwright.serving.web.supervision import Supervisor
    from chatwright.serving.web.watching import RunFolders
    from chatwright.store import Store

__all__ = ["Web", "WebOf", "web_of"]


@dataclass(frozen=True)
class Web:
    """The parts of the pages' API."""

    store: Store
    settings: ServeSettings
    shelf: Shelf
    """Models by the names under which they answer."""
    runs: RunFolders
    judges: Judges
    """Reward models beside the served ones."""
    inside: Inside
    """Texts that people look into."""
    supervisor: Supervisor
    """Long work in processes of its own."""
    quiet: QuietWorker

    def close(self) -> None:
        self.supervisor.close()
        self.quiet.close()


def web_of(request: Request) -> Web:
    found: Web = request.app.state.web
    return found


WebOf = Annotated[Web, Depends(web_of)]
