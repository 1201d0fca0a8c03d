"""Where the store is: what the commands are told, what the environment says, or a file in the current folder.

In: `--store` or the variable CHATWRIGHT_STORE.  Out: a path or an address. An address may hold a password, and the
arguments of a process can be read by everybody on the machine; its environment cannot.
"""

from __future__ import annotations

import argparse
import os

__all__ = ["STORE_VARIABLE", "USUAL_PLACE", "add_store_argument"]

STORE_VARIABLE = "CHATWRIGHT_STORE"
"""Of the environment: the address of the store, for commands and recipes that name none."""
USUAL_PLACE = "chatwright.db"


def add_store_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--store`; what it is for stands in the help, what the variable holds does not."""
    parser.add_argument(
        "--store",
        default=os.environ.get(STORE_VARIABLE) or USUAL_PLACE,
        metavar="PLACE",
        help=f"{what}: a file, or postgresql://... (default: the variable {STORE_VARIABLE}, else {USUAL_PLACE}); an "
        f"address with a password belongs in the variable, arguments can be read by all",
    )
