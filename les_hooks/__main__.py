"""`python -m les_hooks` is `les`; the guard of a daemon that died calls `les cleanup` so, and others wait for that."""

import gc

# Modules are no garbage: with the usual 700, looking through them again and again takes a tenth of a short command.
gc.set_threshold(50_000)

from les_hooks.cli import main  # noqa: E402  (importing is what takes the time)

if __name__ == "__main__":
    main()
