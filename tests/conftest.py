"""What holds for all tests: signals as a person's terminal has them, and no stop-watch in property tests."""

import signal

from hypothesis import settings

from postgres import clock, empty_file, free_databases, new_place, place, postgres, store

__all__ = [
    "clock",
    "empty_file",
    "free_databases",
    "new_place",
    "place",
    "postgres",
    "store",
]  # fixtures of several files

# Whoever starts the tests in the background of a script has SIGINT ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("chatwright", deadline=None)  # a busy machine is no wrong answer
settings.load_profile("chatwright")
