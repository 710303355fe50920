"""`podsysctl demo`: the chapter "Using sysctls in containers", step by step, every line of it checked.

It starts a cluster of its own, types what the chapter types (with kubectl where it is installed, else with this
program), compares each answer with the chapter's, and at the end compares the host with what it was before.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from podsysctl.base.errors import PodsysctlError

HELP = "Walk through the chapter on a cluster of its own, and check every line of it."

DATA_DIR = Path("/var/lib/podsysctl-demo")
CHAPTER = Path(__file__).resolve().parents[3] / "examples" / "chapter"
COMMAND_TIMEOUT_S = 120.0
PROGRAM = (sys.executable, "-m", "podsysctl.cli.main")

HOST_VALUES = (
    "kernel/shm_rmid_forced",
    "kernel/msgmax",
    "net/core/somaxconn",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/ping_group_range",
    "vm/swappiness",
)
"""What the chapter's pods set, none of which may reach the host, and what a node is tuned to, which must go again."""


class DemoError(PodsysctlError):
    """A line of the chapter did not hold."""

    reason = "DemoFailed"


class Stage:
    """Prints the story, runs the commands and checks what they print."""

    def __init__(self, kubeconfig: Path) -> None:
        self.checked = 0
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self.client = "kubectl" if shutil.which("kubectl") else "podsysctl"

    def section(self, title: str) -> None:
        """A heading of the chapter."""
        print(f"\n{title}\n{'-' * len(title)}", flush=True)

    def say(self, text: str) -> None:
        """A sentence of narration."""
        print(f"\n{text}", flush=True)

    def run(self, *words: str, show: bool = True, fails: bool = False) -> str:
        """Type a command, show it with its output, and give the output back (stdout, then stderr).

        Raises DemoError when it fails and should not, or the other way round.
        """
        argv = [*PROGRAM, *words[1:]] if words[0] == "podsysctl" else list(words)
        print(f"$ {shlex.join(words)}", flush=True)
        done = subprocess.run(
            argv, env=self._environment, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
        text = done.stdout + done.stderr
        if show:
            print(text, end="" if text.endswith("\n") or not text else "\n", flush=True)
        if (done.returncode != 0) != fails:
            raise DemoError(f"`{' '.join(words)}` exited with {done.returncode}: {text.strip()}")
        return text

    def cluster(self, *words: str, **options: bool) -> str:
        """Type a command for the cluster, with kubectl or with this program."""
        return self.run(self.client, *words, **options)

    def check(self, holds: bool, what: str) -> None:
        """One line of the chapter. Raises DemoError when it does not hold."""
        if not holds:
            raise DemoError(f"this does not hold: {what}")
        self.checked += 1
        print(f"  ok: {what}", flush=True)

    def follow(self, *words: str) -> Iterator[str]:
        """Type a command that goes on, and give its lines one by one; it ends when the caller has seen enough.

        Raises DemoError when it goes on for too long.
        """
        argv = [*PROGRAM, *words[1:]] if words[0] == "podsysctl" else list(words)
        print(f"$ {shlex.join(words)}", flush=True)
        process = subprocess.Popen(argv, env=self._environment, stdout=subprocess.PIPE, text=True)
        limit = threading.Timer(COMMAND_TIMEOUT_S, process.kill)
        limit.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                yield line
            raise DemoError(f"`{' '.join(words)}` ended after {COMMAND_TIMEOUT_S:g} s, before what was waited for")
        finally:
            limit.cancel()
            process.kill()
            process.wait()

    def until(self, *words: str, contains: str, timeout_s: float = 60.0) -> str:
        """Type a command again until its output contains a text; show the last one."""
        deadline = time.monotonic() + timeout_s
        while True:
            text = subprocess.run(
                [*PROGRAM, *words[1:]] if words[0] == "podsysctl" else list(words),
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            ).stdout
            if contains in text or time.monotonic() > deadline:
                end = "" if text.endswith("\n") or not text else "\n"
                print(f"$ {shlex.join(words)}\n{text}", end=end, flush=True)
                self.check(contains in text, f"it prints {contains!r}")
                return text
            time.sleep(0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own flags."""
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, metavar="DIR", help="where the cluster's files lie")


def run(args: argparse.Namespace) -> int:
    """Start, walk, stop. Exits 0 only if every line held and the host is as before."""
    from podsysctl.cli import demo_chapter

    if os.geteuid() != 0:
        raise PodsysctlError("`podsysctl demo` needs root, as `podsysctl up` does", hint="sudo podsysctl demo")
    data_dir: Path = args.data_dir
    stage = Stage(data_dir / "kubeconfig")
    before = host_values()
    began_s = time.monotonic()
    stage.section("A cluster of one machine")
    _remove(data_dir)
    try:
        stage.run("podsysctl", "up", "--data-dir", str(data_dir), "--port", str(_free_port()), *demo_chapter.UP)
        demo_chapter.walk(stage, _nearest(CHAPTER))
        stage.section("The host")
        stage.say("A pod's sysctl is the pod's alone: the host's own values are what they were.")
        compare(stage, before, host_values())
    finally:
        _remove(data_dir)
    compare(stage, before, host_values(), say=False)
    print(f"\n{stage.checked} checks held, in {time.monotonic() - began_s:.1f} s", flush=True)
    return 0


def _remove(data_dir: Path) -> None:
    """Take the demo's cluster away, with its objects, so that every run begins alike. Raises DemoError."""
    command = [*PROGRAM, "down", "--wipe", "--data-dir", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DemoError(f"the demo's cluster could not be removed: {done.stderr.strip()}")


def host_values() -> dict[str, str]:
    """The host's values of everything that the chapter sets; absent ones are left out."""
    paths = {name: Path("/proc/sys", name) for name in HOST_VALUES}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def compare(stage: Stage, before: dict[str, str], after: dict[str, str], *, say: bool = True) -> None:
    """Every value is as before, and says so once."""
    for name, value in before.items():
        if after.get(name) != value:
            raise DemoError(f"{name} of the host was {value!r} and is {after.get(name)!r}")
        if say:
            stage.check(True, f"{name.replace('/', '.')} of the host is still {' '.join(value.split())}")


def _nearest(path: Path) -> Path:
    """The path as a person in this directory would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
