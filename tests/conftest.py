"""What all tests need of the process that runs them."""

import signal

from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about us.
settings.register_profile("les-hooks", deadline=None)
settings.load_profile("les-hooks")


def pytest_configure() -> None:
    """Let a Ctrl-C reach the programs that tests start, even where this process was started in the background.

    A shell without job control has its background processes ignore SIGINT, and whatever they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
