"""What holds for all tests.

Signals are as a person's terminal has them; property tests have no stop-watch, and throw the same dice every time.
"""

import signal

from hypothesis import HealthCheck, settings

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

# A busy machine is no wrong answer; and what passed yesterday passes today: new examples are searched for on purpose,
# with `pytest --hypothesis-profile=search`.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", patient, derandomize=False)
settings.register_profile("chatwright", patient, derandomize=True)
settings.load_profile("chatwright")
