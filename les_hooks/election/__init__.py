"""The election, pure: no clock, randomness, log, await, file or socket. Frozen messages in, frozen effects out.

`Machine` is all that the shell needs, with the values of `messages` and `effects`. It may be imported by backends
and by tests; it imports only values.
"""
