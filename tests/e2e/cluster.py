"""A real one-machine cluster for the end-to-end tests, and a record of what the host looked like before it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import control_groups

START_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 90
PODSYSCTL = [sys.executable, "-m", "podsysctl.cli.main"]


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Poll a condition until it is true; fail with what was waited for. Returns the true value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.05)


@dataclass(frozen=True)
class HostState:
    """What must be the same before and after a cluster lived on this host."""

    links: tuple[str, ...]
    mounts: tuple[str, ...]
    namespaces: tuple[str, ...]
    rules: tuple[str, ...]
    sysctls: tuple[tuple[str, str], ...]
    control_groups: tuple[str, ...]
    shim_sockets: tuple[str, ...]

    def added_since(self, before: HostState) -> dict[str, list[object]]:
        """What is here now and was not before, by kind; something that others removed meanwhile is no matter."""
        added = {
            name: sorted((Counter(getattr(self, name)) - Counter(getattr(before, name))).elements())
            for name in self.__dataclass_fields__
        }
        return {name: items for name, items in added.items() if items}


WATCHED_SYSCTLS = (
    "kernel/shm_rmid_forced", "kernel/msgmax", "net/core/somaxconn", "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_syncookies", "net/ipv4/ping_group_range", "net/ipv4/ip_forward", "vm/swappiness",
)  # fmt: skip


def kernel_namespaces() -> tuple[str, ...]:
    """The namespaces of every process, as `net:[4026531840]`; lsns(8) fails when a process ends while it reads."""
    found = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            for name in os.listdir(f"/proc/{process}/ns"):
                found.add(os.readlink(f"/proc/{process}/ns/{name}"))
        except OSError:
            continue  # it has ended
    return tuple(sorted(found))


def host_state() -> HostState:
    """Links, mounts, kernel namespaces, firewall rules, values, control groups and sockets of shims now."""
    links = tuple(sorted(os.listdir("/sys/class/net")))
    mounts = tuple(sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()))
    rules = tuple(
        line
        for tool in ("iptables-save", "ip6tables-save")
        if shutil.which(tool)
        for line in subprocess.run([tool], capture_output=True, text=True, check=False).stdout.splitlines()
        if not line.startswith(("#", ":", "*", "COMMIT"))
    )
    values = tuple((name, Path("/proc/sys", name).read_text()) for name in WATCHED_SYSCTLS)
    sockets = Path("/run/containerd/s")
    names = tuple(sorted(os.listdir(sockets))) if sockets.is_dir() else ()
    return HostState(links, mounts, kernel_namespaces(), rules, values, control_groups.present(), names)


SETTLE_S = 20.0
"""How long the kernel may take to let go of namespaces and links whose last process has ended."""


def left_behind(before: HostState) -> dict[str, list[object]]:
    """What is on this host and was not before, once the kernel has let go of what nobody holds any more."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        added = host_state().added_since(before)
        if not added or time.monotonic() > deadline:
            return added
        time.sleep(0.2)


class Cluster:
    """`podsysctl up` in a folder of its own, and the commands a user would type against it."""

    def __init__(self, *up_arguments: str) -> None:
        self.up_arguments = up_arguments
        self._top = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))
        self.data_dir = self._top / "d"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = self._top / "up.log"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.data_dir / "kubeconfig"

    def environment(self) -> dict[str, str]:
        """The environment of every client: only what it needs, and our kubeconfig."""
        home = self._top / "home"
        home.mkdir(exist_ok=True)
        return {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(self.kubeconfig), "TERM": "dumb"}

    def start(self) -> None:
        """Start in the foreground of a child process and wait until every node is Ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*PODSYSCTL, "up", "--foreground", "--data-dir", str(self.data_dir), "--port", str(self.port),
                 *self.up_arguments],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        wait_until(self._ready, START_TIMEOUT_S, f"the cluster to be ready; its log: {self.tail()}")

    def tail(self) -> str:
        """The last lines of the program's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) if self.log.exists() else ""

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"`podsysctl up` ended with {self.process.returncode}: {self.tail()}")
        done = self.podsysctl("status", "--data-dir", str(self.data_dir), "-o", "json", check=False)
        if done.returncode != 0:
            return False
        nodes = json.loads(done.stdout)["nodes"]
        return bool(nodes) and all(node["ready"] for node in nodes)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def destroy(self) -> None:
        """What a user does at the end: `podsysctl down --wipe`."""
        done = self.podsysctl("down", "--wipe", "--data-dir", str(self.data_dir), check=False)
        if self.process is not None:
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"`podsysctl up` outlived `down`: {self.tail()}") from None
        tail = self.tail()
        shutil.rmtree(self._top, ignore_errors=True)
        assert done.returncode == 0, f"{done.stderr}\n{tail}"

    def run(self, command: list[str], *, input_text: str | None = None, check: bool = True,
            timeout_s: float = COMMAND_TIMEOUT_S) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run one client command against the cluster."""
        done = subprocess.run(
            command, input=input_text, capture_output=True, text=True, timeout=timeout_s, check=False,
            env=self.environment(),
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def kubectl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl."""
        return self.run(["kubectl", *arguments], **options)

    def podsysctl(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run our own program."""
        return self.run([*PODSYSCTL, *arguments], **options)

    def get(self, *arguments: str) -> Any:
        """An object or list as JSON, through kubectl."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def pod_status(self, name: str, namespace: str = "default") -> dict[str, Any]:
        """The status of one pod."""
        status: dict[str, Any] = self.get("pod", name, "-n", namespace).get("status", {})
        return status

    def wait_phase(self, name: str, phase: str, timeout_s: float = 30, namespace: str = "default") -> dict[str, Any]:
        """Wait for a pod's phase; returns its status."""
        return wait_until(  # type: ignore[no-any-return]
            lambda: (s := self.pod_status(name, namespace)).get("phase") == phase and s, timeout_s,
            f"pod {name} to be {phase}",
        )  # fmt: skip
