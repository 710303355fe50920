"""Private network namespaces, and both plugins run inside them as a runtime would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import podsysctl
from podsysctl.kernel import namespaces
from podsysctl.kernel.namespaces import Namespaces

SOURCE = str(Path(podsysctl.__file__).parents[1])
DISTRIBUTION = "/usr/lib/cni/tuning"


@dataclass(frozen=True)
class Answer:
    """Exit code and standard output of a call."""

    code: int
    text: str

    @property
    def json(self) -> Any:
        """The output, understood."""
        return json.loads(self.text)

    @property
    def message(self) -> str:
        """The text of an error."""
        return str(self.json["msg"]) + (f"; {self.json['details']}" if "details" in self.json else "")


class Sandbox:
    """One network namespace with some links, as the runtime gives it to a plugin."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"

    def ip(self, *commands: str) -> None:
        """Run commands of ip(8) inside."""
        self._ip("-batch", "-", text="\n".join(commands) + "\n")

    def _ip(self, *arguments: str, text: str | None = None) -> str:
        # `ip -n` mounts a /sys of its own, for which our root directory would have to be a mount point.
        command = ["nsenter", f"--net={self.path}", "ip", *arguments]
        return subprocess.run(command, input=text, text=True, check=True, capture_output=True).stdout

    def read(self, relative: str) -> str:
        """A value below /proc/sys, as this namespace has it."""
        return self.inside(lambda: Path("/proc/sys", relative).read_text().removesuffix("\n"))

    def write(self, relative: str, value: str) -> None:
        """Set a value below /proc/sys in this namespace."""
        self.inside(lambda: Path("/proc/sys", relative).write_text(value))

    def inside(self, function: Any) -> Any:
        """Call a function in this network namespace."""
        return namespaces.run_in(Namespaces.of_netns(self.path), function)

    def link(self, name: str) -> dict[str, Any]:
        """What ip(8) shows of a link."""
        found: dict[str, Any] = json.loads(self._ip("-j", "-d", "link", "show", name))[0]
        return found


@contextmanager
def sandbox(suffix: str = "a", links: tuple[str, ...] = ("net1",)) -> Iterator[Sandbox]:
    """A fresh network namespace with bridges of these names, gone afterwards."""
    name = f"psx-cni-{os.getpid()}-{suffix}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        out = Sandbox(name)
        out.ip(*(f"link add {link} type bridge" for link in links))
        yield out
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def environment(command: str, netns: str, **more: str) -> dict[str, str]:
    """The variables of a call."""
    out = {
        "PATH": os.environ["PATH"], "CNI_COMMAND": command, "CNI_CONTAINERID": "c1", "CNI_NETNS": netns,
        "CNI_IFNAME": "net1", "CNI_PATH": "/usr/lib/cni",
    }  # fmt: skip
    return {key: value for key, value in {**out, **more}.items() if value}


def run_program(program: list[str], variables: dict[str, str], data: bytes) -> Answer:
    """Run a plugin as a process."""
    done = subprocess.run(program, input=data, env=variables, capture_output=True, timeout=60, check=False)
    return Answer(done.returncode, done.stdout.decode())


def run_ours(command: str, netns: str, config: Any, **variables: str) -> Answer:
    """Run our plugin as a runtime would, with a configuration."""
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    code = f"import sys; sys.path.insert(0, {SOURCE!r}); from podsysctl.cni.plugin import main; sys.exit(main())"
    return run_program([sys.executable, "-I", "-c", code], environment(command, netns, **variables), data)


def run_forked(variables: dict[str, str], data: bytes) -> Answer:
    """Run our plugin in a fork of this process: the same code, without the start of an interpreter.

    The process must have one thread: what another thread has locked stays locked in the fork.
    """
    assert threading.active_count() == 1
    from podsysctl.cni import plugin

    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.close(write_in)
            os.dup2(read_in, 0)
            os.dup2(write_out, 1)
            os.close(read_out)
            os.environ.clear()
            os.environ.update(variables)
            code = plugin.main()
        finally:
            os._exit(code)
    os.close(read_in)
    os.close(write_out)
    try:
        with open(write_in, "wb") as file:
            file.write(data)
    except BrokenPipeError:
        pass  # it refused before reading everything
    with open(read_out, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(pid, 0)
    return Answer(os.waitstatus_to_exitcode(status), text)
