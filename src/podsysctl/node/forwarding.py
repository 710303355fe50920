"""Lets pods of a private network reach other machines: the host's IPv4 forwarding, switched on and put back.

Only the pod network of a private runtime needs it, and only where its traffic is masqueraded. The original is
on disk before the write (`kernel/journal.py`), so that `down` restores it after a crash, too. Clusters on one host
share one switch: each that needs it leaves a file of its own beside the journal, and the last one to go restores.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from podsysctl.base.errors import KernelError
from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.sysctls.name import parse_name

log = logging.getLogger(__name__)

NAME = parse_name("net.ipv4.ip_forward")
SHARED = Path("/run/podsysctl-forwarding")
"""Every cluster of this host meets here; a reboot empties it, as it resets the kernel's value."""

_LOCK, _JOURNAL, _HOLDER = "lock", "journal", ".holder"


def enable(data_dir: Path, shared: Path = SHARED) -> bool:
    """Switch forwarding on unless it is. True when this cluster changed the host. Raises KernelError."""
    with _locked(shared), Journal(str(shared / _JOURNAL)) as journal:
        on = procsys.read(NAME).strip() == "1"
        if on and not journal.pending():
            return False  # the host's own choice, which is nobody's to put back
        _holder(data_dir, shared).write_text(str(data_dir.resolve()))
        if on:
            return False
        procsys.write(NAME, "1", journal=journal)
    log.info("%s is 1 until `podsysctl down`, so that pods reach other machines", NAME.dotted)
    return True


def restore(data_dir: Path, shared: Path = SHARED) -> None:
    """Put back what was found, unless another cluster still needs it. Idempotent. Raises KernelError."""
    if not shared.exists():
        return
    with _locked(shared):
        _holder(data_dir, shared).unlink(missing_ok=True)
        if any(_lives(holder) for holder in shared.glob(f"*{_HOLDER}")):
            return
        with Journal(str(shared / _JOURNAL)) as journal:
            procsys.restore(journal)
        for path in shared.iterdir():
            path.unlink()
        shared.rmdir()


@contextmanager
def _locked(shared: Path) -> Iterator[None]:
    """One cluster at a time."""
    try:
        lock = _lock(shared)
    except OSError as error:
        raise KernelError(f"{shared}: {error.strerror}", errno=error.errno or 0) from error
    with lock:
        yield


def _lock(shared: Path) -> TextIO:
    """The open and locked file; when the last cluster has taken the folder away meanwhile, one in a new folder."""
    while True:
        shared.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = (shared / _LOCK).open("a")
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock.fileno()).st_nlink:
            return lock
        lock.close()


def _holder(data_dir: Path, shared: Path) -> Path:
    """The file by which a cluster says that it needs forwarding."""
    return shared / (hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16] + _HOLDER)


def _lives(holder: Path) -> bool:
    """A cluster whose data directory was removed by hand never comes to restore anything."""
    data_dir = holder.read_text()
    return data_dir != "" and Path(data_dir).is_dir()  # empty: it was killed between making the file and writing it
