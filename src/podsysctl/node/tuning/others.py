"""Other clusters of this machine: what one of them has changed in the kernel is not another's to change.

What a cluster holds is what its undo journal would put back. So it lasts when the cluster is killed, until its next
start or `down`, and ends by itself with the journal; no original is ever taken from a value that a neighbour wrote.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from podsysctl.base.errors import KernelError
from podsysctl.kernel.journal import Journal
from podsysctl.kernel.sysfs import FileJournal
from podsysctl.node.neighbours import Neighbours
from podsysctl.node.tuning import coupled
from podsysctl.node.tuning.files import Places
from podsysctl.node.tuning.wish import Reason, Refusal
from podsysctl.sysctls.name import SysctlName

log = logging.getLogger(__name__)

SHARED = Path("/run/podsysctl-tuning")


@dataclass(frozen=True, slots=True)
class Holding:
    """A parameter, or a file of /sys, that the cluster of another data directory has set to a value."""

    name: SysctlName | str
    value: str
    data_dir: Path

    def __str__(self) -> str:
        return f'another cluster of this machine, {self.data_dir}, has set {self.name} to "{self.value}"'


Held = Mapping[SysctlName | str, Holding]


class OtherClusters:
    """What the others hold, seen from one cluster."""

    def __init__(self, data_dir: Path, shared: Path = SHARED) -> None:
        self._here = Neighbours(data_dir, shared)
        self._shared = shared

    def open(self) -> None:
        """Let the others know of this cluster. Raises KernelError."""
        with self._here.locked():
            self._here.enter()

    def close(self) -> None:
        """This cluster holds nothing any more. Idempotent. Raises KernelError."""
        if not self._shared.exists():
            return
        with self._here.locked():
            self._here.leave()
            if not self._here.others():
                self._here.disband()

    @contextmanager
    def held(self) -> Iterator[Held]:
        """What the others hold, by parameter or path; none takes more until the context is left. Raises KernelError."""
        with self._here.locked():
            yield {item.name: item for data_dir in self._here.others() for item in _holdings(data_dir)}


def refusal(names: Iterable[SysctlName], paths: Iterable[str], held: Held) -> Refusal | None:
    """Why these parameters and files of /sys are not to be written now; what the kernel moves along with them counts
    as well."""
    if not held:
        return None
    wanted = list(dict.fromkeys(names))
    touched: list[SysctlName | str] = [*wanted, *coupled.partners(wanted), *dict.fromkeys(paths)]
    found = [held[name] for name in touched if name in held]
    if not found:
        return None
    return Refusal(Reason.SHARED_KERNEL, f"{'; '.join(map(str, found))}; nothing of the profile is applied")


def _holdings(data_dir: Path) -> list[Holding]:
    places = Places(data_dir)
    kinds: tuple[tuple[type[Journal] | type[FileJournal], Path], ...] = (
        (Journal, places.journal), (Journal, places.tuned_journal), (FileJournal, places.sysfs_journal)
    )  # fmt: skip
    out: list[Holding] = []
    for kind, path in kinds:
        try:
            for item in kind.peek(str(path)):
                out.append(Holding(item.name, item.wanted if item.confirmed is None else item.confirmed, data_dir))
        except KernelError as error:  # nothing can be put back from it, so there is nothing to respect
            log.warning("what another cluster has set is unknown: %s", error.message)
    return out
