"""Lets pods of a private network reach other machines: the host's IPv4 forwarding, switched on and put back.

Only the pod network of a private runtime needs it, and only where its traffic is masqueraded. The original is
on disk before the write (`kernel/journal.py`), so that `down` restores it after a crash, too. Of two clusters on
one host, the one that switched it on puts it back, whether the other still needs it or not.
"""

from __future__ import annotations

import logging
from pathlib import Path

from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.sysctls.name import parse_name

log = logging.getLogger(__name__)

NAME = parse_name("net.ipv4.ip_forward")


def enable(data_dir: Path) -> bool:
    """Switch forwarding on unless it is. True when the host was changed. Raises KernelError."""
    if procsys.read(NAME).strip() == "1":
        return False
    with _journal(data_dir) as journal:
        procsys.write(NAME, "1", journal=journal)
    log.info("%s is 1 until `podsysctl down`, so that pods reach other machines", NAME.dotted)
    return True


def restore(data_dir: Path) -> None:
    """Put back what `enable` found. Idempotent. Raises KernelError."""
    path = _path(data_dir)
    if not path.exists():
        return
    with _journal(data_dir) as journal:
        procsys.restore(journal)
    path.unlink()


def _path(data_dir: Path) -> Path:
    return data_dir / "forwarding.journal"


def _journal(data_dir: Path) -> Journal:
    return Journal(str(_path(data_dir)))
