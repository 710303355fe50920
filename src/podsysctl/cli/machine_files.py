"""Where the files of a one-machine cluster lie, who holds its lock, and what it told about itself."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from podsysctl.base import durable
from podsysctl.base.errors import PodsysctlError

DATA_DIR = Path("/var/lib/podsysctl")
KUBECONFIG_NAME = "kubeconfig"
_LOCK_NAME = "lock"
_OURS = frozenset(
    {
        "aliases.toml", "audit.log", "containerd", "images", "kubeconfig", _LOCK_NAME,
        "machine.json", "networks", "nodes", "pki", "podsysctl.log", "store",
        "tuned-engine.json", "tuned.journal", "tuned.log", "tuned.pid", "tuning-sysfs.journal",
        "tuning-sysfs.journal.new", "tuning.journal", "tuning.journal.new", "tuning.json", "tuning.new",
    }
)  # fmt: skip
"""Names of files and directories; `down --wipe` deletes nothing else."""
_BEFORE_A_START = frozenset({"aliases.toml", "images"})
"""What a data directory may hold before its first cluster."""


def is_ours(name: str) -> bool:
    """Does a cluster give this name to something in its data directory, or did one that was killed leave it?

    >>> is_ours("machine.json"), is_ours(".machine.json.17.new"), is_ours("audit.log.1"), is_ours("notes.txt")
    (True, True, True, False)
    """
    return name in _OURS or name.startswith("audit.log.") or durable.replaced(name) in _OURS


def simulated_names(count: int) -> tuple[str, ...]:
    """The names of the nodes of `--simulated-nodes`."""
    return tuple(f"simulated-{i}" for i in range(count))


class AlreadyRunningError(PodsysctlError):
    """Another process serves this data directory."""

    reason = "AlreadyRunning"


class ForeignDirectoryError(PodsysctlError):
    """The directory has files in it, and no cluster of ours was ever started there."""

    reason = "ForeignDirectory"


class ForeignStateError(PodsysctlError):
    """What a cluster told about itself is of another version, or damaged."""

    reason = "ForeignState"


@dataclass(frozen=True, slots=True)
class MachineState:
    """What a running cluster wrote down for `status` and `down`.

    `pid` is the serving process, 0 when there is none any more, `server` the API's URL, `runtime_endpoint` the CRI
    socket's URL, `private_runtime` whether the runtime is ours to remove, `up_arguments` what the cluster was last
    started with, `simulated_nodes` how many nodes beside `nodes` have no runtime.
    """

    pid: int
    server: str
    kubeconfig: str
    runtime_endpoint: str
    private_runtime: bool
    nodes: tuple[str, ...]
    up_arguments: tuple[str, ...] = ()
    simulated_nodes: int = 0


class MachineFiles:
    """The files of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, mode 0600."""
        return self.data_dir / KUBECONFIG_NAME

    @property
    def log(self) -> Path:
        """What the program says when it runs in the background."""
        return self.data_dir / "podsysctl.log"

    @property
    def aliases(self) -> Path:
        """Short image names."""
        return self.data_dir / "aliases.toml"

    @property
    def nodes(self) -> Path:
        """One folder for each node."""
        return self.data_dir / "nodes"

    @property
    def networks(self) -> Path:
        """Additional networks: addresses given out, bridges made, and our CNI program."""
        return self.data_dir / "networks"

    @property
    def _state(self) -> Path:
        return self.data_dir / "machine.json"

    def write_state(self, state: MachineState) -> None:
        """Tell others what runs."""
        durable.write(self._state, json.dumps(asdict(state)))

    def read_state(self) -> MachineState | None:
        """What the serving process told; None when there is none. One that was killed still counts."""
        state = self.read_last_state()
        return None if state is None or state.pid == 0 else state

    def read_last_state(self) -> MachineState | None:
        """What the last start told, also when nothing serves any more; None after `down`. Raises PodsysctlError."""
        try:
            text = self._state.read_text()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise PodsysctlError(
                f"{self.data_dir} cannot be read by this user", hint="call the same command with sudo"
            ) from error
        except OSError as error:
            raise PodsysctlError(f"{self._state} cannot be read: {error.strerror}") from error
        try:
            raw = json.loads(text)
            lists = {name: tuple(raw[name]) for name in ("nodes", "up_arguments")}
            return MachineState(**{**raw, **lists})
        except (ValueError, TypeError, KeyError) as error:
            raise ForeignStateError(
                f"{self._state} was not written by this version", hint="`podsysctl up` with the same flags replaces it"
            ) from error

    def forget_process(self) -> None:
        """Nothing serves any more; where the pods of the last cluster are stays known."""
        try:
            state = self.read_last_state()
        except ForeignStateError:
            self.remove_state()  # a start tells everything anew
            return
        if state is not None:
            self.write_state(replace(state, pid=0))

    def remove_state(self) -> None:
        """Nothing of a cluster is left."""
        self._state.unlink(missing_ok=True)

    def require_own(self) -> None:
        """Raise ForeignDirectoryError unless the directory is absent, unused, or a cluster's.

        `down` deletes what lies here, so a mistyped `--data-dir` must never get that far, and `up` must not make
        somebody else's directory look like a cluster's. The mark is the lock file, the first thing a start makes.
        """
        try:
            names = set(os.listdir(self.data_dir))
        except FileNotFoundError:
            return
        except OSError as error:
            raise ForeignDirectoryError(f"{self.data_dir} cannot be a data directory: {error.strerror}") from error
        if names <= _BEFORE_A_START or _has_lock_file(self.data_dir):
            return
        raise ForeignDirectoryError(
            f"{self.data_dir} is not empty and holds no cluster", hint="give --data-dir a directory of its own"
        )

    def require_apart(self) -> None:
        """Raise ForeignDirectoryError for a directory inside another cluster's, whose `down --wipe` could delete it."""
        for parent in self.data_dir.resolve().parents:
            if _has_lock_file(parent) and (parent / "store").is_dir():
                raise ForeignDirectoryError(
                    f"{self.data_dir} is inside {parent}, which is another cluster's data directory",
                    hint="give --data-dir a directory outside of it",
                )

    def lock(self) -> MachineLock:
        """The lock that the serving process holds.

        Raises AlreadyRunningError when another has it, ForeignDirectoryError where no cluster may live.
        """
        self.require_own()
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ForeignDirectoryError(f"{self.data_dir} cannot be made: {error.strerror}") from error
        return MachineLock(self.data_dir / _LOCK_NAME)

    def is_running(self) -> bool:
        """Whether a process holds the lock. Makes nothing."""
        if not (self.data_dir / _LOCK_NAME).exists():
            return False
        try:
            with self.lock():
                return False
        except AlreadyRunningError:
            return True


def _has_lock_file(directory: Path) -> bool:
    try:
        found = (directory / _LOCK_NAME).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == 0 and stat.S_IMODE(found.st_mode) == 0o600


class MachineLock:
    """An flock, which the kernel releases with the process, however it ends. A context manager."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            where = "" if path.parent == DATA_DIR else f" --data-dir {path.parent}"
            raise AlreadyRunningError(
                f"a cluster already runs in {path.parent}",
                hint=f"`podsysctl status{where}` shows it, `podsysctl down{where}` stops it",
            ) from error

    def __enter__(self) -> MachineLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)
