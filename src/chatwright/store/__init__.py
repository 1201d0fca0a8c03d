"""Store: one database for people, keys, chats, feedback, usage and jobs. Needs no torch."""

from chatwright.store.opening import Store, open_store

__all__ = ["Store", "open_store"]
