"""Standard streams that somebody closed: `podsysctl get pods >&-`.

Their numbers are free then, and the next file or socket that is opened would take them: what is printed would end
there. Every program calls `hold` before it opens anything.
"""

from __future__ import annotations

import os
import sys

_PLACEHOLDERS = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
"""How /dev/null is opened for each: nothing is read, writing results fails as on a closed file, talk is dropped."""


def hold() -> None:
    """Put something in the place of each standard stream that is closed."""
    for number, flags in enumerate(_PLACEHOLDERS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest free number, so this one


def reopen() -> None:
    """Have Python's own streams again, which are None for numbers that were closed: writing fails as others expect."""
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as long as the process
