"""`python -m les_hooks` is `les`."""

from les_hooks.cli import main

if __name__ == "__main__":
    main()
