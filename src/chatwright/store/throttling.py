"""Throttling of logins: it lives in the database, so that a restart forgets nothing.

In: a name and an address.  Out: nothing, or ThrottledError. One address is held back from one name soon, from all names
later; a name is held back from all addresses last, so that a stranger cannot easily lock somebody out.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil

import sqlalchemy as sa

from chatwright.errors import ThrottledError
from chatwright.store.database import Database
from chatwright.store.schema import login_attempts

WINDOW = timedelta(minutes=15)
PER_NAME_AND_ADDRESS, PER_ADDRESS, PER_NAME = 5, 30, 60  # attempts that fail within the window


class Throttle:
    """Counts attempts; those that succeed are forgotten."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, name: str, address: str) -> None:
        """Note an attempt before it is made. Raises ThrottledError if there were too many, and then notes nothing."""
        now = self._database.now()
        table = login_attempts.c
        is_name, is_address = table.name_folded == name, table.address == address
        limits = [(is_name & is_address, PER_NAME_AND_ADDRESS), (is_address, PER_ADDRESS), (is_name, PER_NAME)]
        with self._database.writing() as connection:
            self._database.one_at_a_time(connection, "logins")
            connection.execute(login_attempts.delete().where(table.at <= now - WINDOW))
            for attempts, most in limits:
                # The attempt that must grow old before the next one is allowed.
                oldest = sa.select(table.at).where(attempts).order_by(table.at.desc()).offset(most - 1).limit(1)
                if (at := connection.execute(oldest).scalar()) is not None:
                    wait = max(1.0, (at + WINDOW - now).total_seconds())
                    raise ThrottledError(
                        f"too many attempts to log in; try again in {ceil(wait / 60)} minutes",
                        retry_after=wait,
                        code="too_many_logins",
                    )
            connection.execute(login_attempts.insert().values(name_folded=name, address=address, at=now))

    def forget(self, name: str, address: str) -> None:
        """The attempt has succeeded: earlier ones of this name from this address no longer count."""
        mine = (login_attempts.c.name_folded == name) & (login_attempts.c.address == address)
        with self._database.writing() as connection:
            connection.execute(login_attempts.delete().where(mine))
