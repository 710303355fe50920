"""Lets pods of a private network reach other machines: the host's IPv4 forwarding, switched on and put back.

Only the pod network of a private runtime needs it, and only where its traffic is masqueraded. The original is
on disk before the write (`kernel/journal.py`), so that `down` restores it after a crash, too. Clusters on one host
share one switch: each that needs it leaves a file of its own beside the journal, and the last one to go restores.
"""

from __future__ import annotations

import logging
from pathlib import Path

from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.node.neighbours import Neighbours
from podsysctl.sysctls.name import parse_name

log = logging.getLogger(__name__)

NAME = parse_name("net.ipv4.ip_forward")
SHARED = Path("/run/podsysctl-forwarding")
"""Every cluster of this host meets here; a reboot empties it, as it resets the kernel's value."""

_JOURNAL = "journal"


def enable(data_dir: Path, shared: Path = SHARED) -> bool:
    """Switch forwarding on unless it is. True when this cluster changed the host. Raises KernelError."""
    here = Neighbours(data_dir, shared)
    with here.locked(), Journal(str(shared / _JOURNAL)) as journal:
        on = procsys.read(NAME).strip() == "1"
        if on and not journal.pending():
            return False  # the host's own choice, which is nobody's to put back
        here.enter()
        if on:
            return False
        procsys.write(NAME, "1", journal=journal)
    log.info("%s is 1 until `podsysctl down`, so that pods reach other machines", NAME.dotted)
    return True


def restore(data_dir: Path, shared: Path = SHARED) -> None:
    """Put back what was found, unless another cluster still needs it. Idempotent. Raises KernelError."""
    if not shared.exists():
        return
    here = Neighbours(data_dir, shared)
    with here.locked():
        here.leave()
        if here.others():
            return
        with Journal(str(shared / _JOURNAL)) as journal:
            procsys.restore(journal)
        here.disband()
