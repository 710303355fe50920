"""`--tuned-engine=tuned`: a node's profile is handed to the distribution's own TuneD, whose log tells its verdict.

TuneD runs as a child of this process, without D-Bus, on the one node of a machine. Profiles are written into its
directory beside the administrator's, which are never touched, and removed in the end; so is what it notes about the
active profile. The originals of all parameters that the profile names are in our own journal as well, since TuneD's are
lost when it is killed. Source of the log's lines: TuneD 2.20 daemon.py, plugin_sysctl.py; of their reading: NTO
pkg/tuned/controller.go.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from podsysctl.base import durable, limits
from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.node.tuning import files
from podsysctl.node.tuning.status import Finding
from podsysctl.node.tuning.wish import Reason
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.tuned import shipped
from podsysctl.sysctls.tuned.plan import Plan

log = logging.getLogger(__name__)

SERVICE_PID = Path("/run/tuned/tuned.pid")
VENDOR = (Path("/usr/lib/tuned/profiles"), Path("/usr/lib/tuned"))
"""Where its own profiles lie, which go before those that this program ships."""
DIRECTORIES = (Path("/etc/tuned/profiles"), Path("/etc/tuned"))
"""Where TuneD looks for an administrator's profiles: since 2.23, and before."""
NOTES = tuple(Path("/etc/tuned", name) for name in ("active_profile", "profile_mode", "post_loaded_profile"))
MARK = ".podsysctl"
"""A file that marks a profile's folder as ours."""

_POLL_S = 0.05
_OVERRIDE = re.compile(r"Overriding sysctl parameter '([^']+)' from")
_SEVERITY = re.compile(r"^\S+ \S+ (ERROR|WARNING)\s+(.*)$", re.MULTILINE)


def check_machine(count: int) -> None:
    """Raise UsageError unless this machine's TuneD can be used for so many nodes."""
    if shutil.which("tuned") is None:
        raise UsageError("--tuned-engine=tuned: TuneD is not installed", hint="sudo apt-get install tuned")
    if count != 1:
        raise UsageError("--tuned-engine=tuned: one TuneD serves one node, and there are several on this machine")
    pid = _read_pid(SERVICE_PID)
    if pid is not None and _is_tuned(pid):
        raise UsageError(
            f"--tuned-engine=tuned: TuneD runs on this machine already (process {pid}), and its profile is not ours",
            hint="stop it first, `systemctl stop tuned`, or leave --tuned-engine away",
        )


def texts_of(plan: Plan, defined: Mapping[str, str]) -> dict[str, str]:
    """The profiles that TuneD has to be given for a plan: those of Tuned objects, and shipped ones it does not have."""
    out = {}
    for name in plan.profiles:
        if name in defined:
            out[name] = defined[name]
        elif name in shipped.PROFILES and not any((path / name).is_dir() for path in VENDOR):
            out[name] = shipped.PROFILES[name]
    return out


class TunedDaemon:
    """TuneD with our profiles, or stopped."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._log = data_dir / "tuned.log"
        self._record = data_dir / "tuned-engine.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._last: tuple[str, dict[str, str]] | None = None
        self._finding: Finding | None = None

    def apply(self, name: str, texts: Mapping[str, str], names: Iterable[SysctlName]) -> Finding:
        """Have TuneD apply a profile, unless it has it, and judge by its log. May take seconds."""
        wanted = (name, dict(texts))
        if self._last == wanted and self._finding is not None and self._is_alive():
            return self._finding
        self.stop()
        self._last = wanted
        self._save(texts, names)
        self._log.unlink(missing_ok=True)
        command = ["tuned", "--no-dbus", "--profile", name, "--log", str(self._log), "--pid", str(self._pid_file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        applied = self._wait(lambda text: f"static tuning from profile '{name}' applied" in text)
        self._finding = read_verdict(self._text(), applied=applied)
        return self._finding

    def stop(self) -> None:
        """End TuneD, which rolls back, then put back whatever is left and take our files away. Idempotent."""
        if self._process is not None:
            _end(self._process.pid, self._process.poll)
            self._process = None
        self._last = self._finding = None
        restore(self._data_dir)

    @property
    def _pid_file(self) -> Path:
        return self._data_dir / "tuned.pid"

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _wait(self, seen: Callable[[str], bool]) -> bool:
        deadline = time.monotonic() + limits.TUNED_START_S
        while time.monotonic() < deadline:
            if seen(self._text()):
                return True
            if not self._is_alive():
                return seen(self._text())
            time.sleep(_POLL_S)
        return False

    def _save(self, texts: Mapping[str, str], names: Iterable[SysctlName]) -> None:
        """Everything that is needed to undo, on disk before it is done."""
        top = next((path for path in DIRECTORIES if path.is_dir()), None)
        if top is None:
            raise PodsysctlError(f"TuneD's directory {DIRECTORIES[-1]} does not exist")
        folders = {name: top / name for name in texts}
        foreign = [str(path) for path in folders.values() if path.exists() and not (path / MARK).exists()]
        if foreign:
            raise PodsysctlError(f"{', '.join(foreign)}: the machine has a profile of this name, which stays")
        notes = {str(path): path.read_text() for path in NOTES if path.exists()}
        record = {"folders": [str(path) for path in folders.values()], "notes": notes}
        durable.write(self._record, json.dumps(record))
        with Journal(str(files.Places(self._data_dir).tuned_journal)) as journal:
            values = {n: text for n, text in procsys.read_here(names).items() if isinstance(text, str)}
            journal.record({name: (text, text) for name, text in values.items()})
        for name, path in folders.items():
            path.mkdir(exist_ok=True)
            (path / MARK).touch()
            (path / "tuned.conf").write_text(texts[name])


def read_verdict(text: str, *, applied: bool) -> Finding:
    """The conditions' material from TuneD's log: errors, then overrides, then warnings; the last line of a kind."""
    found: dict[str, str] = {}
    for severity, message in _SEVERITY.findall(text):
        found[severity] = f"{severity} {message}"
    if "ERROR" in found or not applied:
        return Finding(applied, True, Reason.ERROR, found.get("ERROR", "TuneD did not apply the profile in time"))
    overridden = _OVERRIDE.findall(text)
    if overridden:
        return Finding(True, True, Reason.OVERRIDE, str(overridden[-1]))
    if "WARNING" in found:
        return Finding(True, False, Reason.WARNING, found["WARNING"])
    return Finding(True, False, Reason.AS_EXPECTED)


def restore(data_dir: Path) -> None:
    """End a TuneD that outlived its parent, put values and TuneD's notes back, remove our profiles. Idempotent."""
    pid_file, record = data_dir / "tuned.pid", data_dir / "tuned-engine.json"
    pid = _read_pid(pid_file)
    if pid is not None and _is_tuned(pid, str(pid_file)):
        _end(pid, lambda: None if _is_tuned(pid) else 0)
    pid_file.unlink(missing_ok=True)
    journal_file = files.Places(data_dir).tuned_journal
    if journal_file.exists():
        with Journal(str(journal_file)) as journal:
            procsys.restore(journal)
        journal_file.unlink()
    if not record.exists():
        return
    found: dict[str, Any] = json.loads(record.read_text())
    for folder in map(Path, found["folders"]):
        if (folder / MARK).exists():
            shutil.rmtree(folder)
    for path in NOTES:
        if str(path) in found["notes"]:
            durable.write(path, found["notes"][str(path)], mode=0o644)
        else:
            path.unlink(missing_ok=True)
    record.unlink()


def _end(pid: int, poll: Callable[[], int | None]) -> None:
    """SIGTERM, and SIGKILL when that is not heard in time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + limits.TUNED_START_S
        while time.monotonic() < deadline:
            if poll() is not None:
                return
            time.sleep(_POLL_S)
        log.warning("TuneD (process %d) does not end", pid)


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _is_tuned(pid: int, mentions: str = "tuned") -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return "tuned" in words and mentions in words
