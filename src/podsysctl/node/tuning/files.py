"""What node tuning keeps in the data directory: the undo journals, and who wants what, for `sysctl origin`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podsysctl.base.errors import KernelError
from podsysctl.kernel import procsys, sysfs
from podsysctl.kernel.journal import Journal
from podsysctl.kernel.sysfs import FileJournal
from podsysctl.node.tuning.wish import Target, Verdict
from podsysctl.sysctls.name import SysctlName

log = logging.getLogger(__name__)


class Places:
    """The files' names."""

    def __init__(self, data_dir: Path) -> None:
        self.journal = data_dir / "tuning.journal"
        self.sysfs_journal = data_dir / "tuning-sysfs.journal"
        self.tuned_journal = data_dir / "tuned.journal"
        self.state = data_dir / "tuning.json"

    def write_state(
        self,
        targets: Mapping[SysctlName, Target],
        originals: Mapping[SysctlName, str],
        verdicts: Mapping[str, Verdict],
    ) -> None:
        """Tell others, in one step, what is held and what is wanted in vain."""
        beaten = {c.name for v in verdicts.values() if v.refusal is None for c in v.claims if c.beaten}
        applied = [
            {"name": name.dotted, "value": target.value, "said": target.said, "nodes": list(target.nodes),
             "original": originals.get(name, ""), "satisfied": target.satisfied}
            for name, target in targets.items() if name not in beaten
        ]  # fmt: skip
        refused = [
            {"name": claim.name.dotted, "value": claim.beaten or claim.value, "said": str(claim.place),
             "nodes": [node], "why": verdict.refusal.reason if verdict.refusal else f"overridden by {claim.said}"}
            for node, verdict in verdicts.items()
            for claim in verdict.claims if verdict.refusal is not None or claim.beaten
        ]  # fmt: skip
        new = self.state.with_suffix(".new")
        try:
            new.touch(mode=0o600)
            new.write_text(json.dumps({"pid": os.getpid(), "applied": applied, "refused": refused}))
            new.replace(self.state)
        except OSError as error:  # `sysctl origin` knows less then, and nothing else is lost
            log.warning("%s: %s", self.state, error.strerror)

    def remove_state(self) -> None:
        """Nothing is held any more."""
        self.state.unlink(missing_ok=True)


def read_state(data_dir: Path) -> dict[str, Any]:
    """What `write_state` told; empty where no cluster runs or the file is not this user's to read."""
    try:
        found = json.loads(Places(data_dir).state.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def play_back(journal: Journal, file_journal: FileJournal) -> None:
    """Put everything back; what the kernel refuses is logged and stays in the journal."""
    try:
        for item in procsys.restore(journal):
            if not item.matched:
                log.warning(
                    "%s stays %r, which somebody else made of it; it was %r", item.name, item.after, item.wanted
                )
        sysfs.restore(file_journal)
    except KernelError as error:
        log.error("an original could not be put back: %s", error.message)


def restore(data_dir: Path) -> None:
    """Put back what node tuning changed, after the process that did it ended in whatever way. Idempotent.

    Raises KernelError when the kernel refuses an original; the journal is kept then.
    """
    places = Places(data_dir)
    if places.journal.exists():
        with Journal(str(places.journal)) as journal:
            procsys.restore(journal)
        places.journal.unlink()
    if places.sysfs_journal.exists():
        with FileJournal(str(places.sysfs_journal)) as file_journal:
            sysfs.restore(file_journal)
        places.sysfs_journal.unlink()
    places.remove_state()
