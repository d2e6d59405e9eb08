"""Who may take part: the secret that nodes share, their certificates, and files that only their owner may read.

On the level of `wire` and `config`, and imports only values; whatever is above it may import it, and so may plugins.

    private       reading a file that others must not
    secret        the file of the shared secret
    proof         proving it on a link: keys, the first messages, the tag of each frame
    credentials   what a node proves and accepts now
    watched       files that are read again when they change
    tls           certificates: from files to what the listener and the dialer take
    handshake     what is said of one that fails
    certificate   whom a certificate names, and until when
    ca            making them, for those who have no authority; for the command line alone
"""

from les_hooks.security.certificate import Subject, mismatch
from les_hooks.security.credentials import Credentials
from les_hooks.security.handshake import handshake_words
from les_hooks.security.private import MOST_BYTES, Secret, exposed, load_private, only_in_the_unit, read_private
from les_hooks.security.proof import NONCE_BYTES, OVERHEAD_BYTES, PROTOCOL, Dialed, Listened, Open, Seal, Unproven
from les_hooks.security.secret import Secrets, new_secret, read_secrets, write_secrets
from les_hooks.security.tls import Tls, TlsFiles
from les_hooks.security.watched import Watched

__all__ = [
    "MOST_BYTES",
    "NONCE_BYTES",
    "OVERHEAD_BYTES",
    "PROTOCOL",
    "Credentials",
    "Dialed",
    "Listened",
    "Open",
    "Seal",
    "Secret",
    "Secrets",
    "Subject",
    "Tls",
    "TlsFiles",
    "Unproven",
    "Watched",
    "exposed",
    "handshake_words",
    "load_private",
    "mismatch",
    "new_secret",
    "only_in_the_unit",
    "read_private",
    "read_secrets",
    "write_secrets",
]
