from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from podsysctl.runtime.images import pause

SOURCES = Path(pause.__file__).parent


@pytest.mark.parametrize(("machine", "prefix"), [("x86_64", "x86_64-linux-gnu-"), ("aarch64", "aarch64-linux-gnu-")])
def test_program_is_what_its_source_assembles_to(tmp_path: Path, machine: str, prefix: str) -> None:
    """The bytes in the module are those of the assembler, and of nobody's hand."""
    if shutil.which(f"{prefix}as") is None:
        pytest.skip(f"{prefix}as is not installed")
    subprocess.run([f"{prefix}as", "-o", tmp_path / "o", SOURCES / f"pause.{machine}.s"], check=True)
    subprocess.run([f"{prefix}objcopy", "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "text"], check=True)
    program = pause.program(machine)
    assert program is not None
    assert program.endswith((tmp_path / "text").read_bytes())


def test_program_for_an_unknown_machine_is_none() -> None:
    """The image then starts a shell instead."""
    assert pause.program("riscv64") is None


@pytest.fixture(params=["program", "script"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What a sandbox runs: our program, or bash where there is none."""
    if request.param == "script":
        return ["bash", "-c", pause.SCRIPT]
    program = pause.program()
    if program is None:
        pytest.skip(f"there is no pause program for {os.uname().machine}")
    path = tmp_path / "pause"
    path.write_bytes(program)
    path.chmod(0o755)
    return [str(path)]


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pause_as_the_first_process_ends_at_a_signal(command: list[str], number: signal.Signals) -> None:
    """Number 1 of a process namespace ignores signals that it does not wait for, and pause waits for these."""
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *command], stdin=subprocess.DEVNULL)
    try:
        first = _child_of(outer.pid)
        _until(lambda: _ready(first), "pause waits for signals")
        os.kill(first, number)
        assert outer.wait(timeout=5) == 0
    finally:
        outer.kill()
        outer.wait()


@pytest.mark.root
def test_pause_as_the_first_process_reaps_orphans(command: list[str]) -> None:
    """With a shared process namespace, what containers leave behind is pause's to reap."""
    outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *command], stdin=subprocess.DEVNULL)
    try:
        first = _child_of(outer.pid)
        _until(lambda: _ready(first), "pause waits for signals")
        inside = ["nsenter", "--target", str(first), "--pid", "sh", "-c", "(sleep 0.05 &) ; (true &)"]
        subprocess.run(inside, check=True, timeout=10)
        _until(lambda: not _children(first), "every orphan is reaped")
    finally:
        outer.kill()
        outer.wait()


def _child_of(pid: int) -> int:
    _until(lambda: bool(_children(pid)), "unshare forks")
    return _children(pid)[0]


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _ready(pid: int) -> bool:
    """Whether bash catches SIGTERM, or the program waits for signals, which /proc shows as sleeping."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    if status["Name"] == "pause":
        return status["State"].startswith("S")
    return status["Name"] == "bash" and bool(int(status["SigCgt"], 16) & 1 << (signal.SIGTERM - 1))


def _until(condition: object, what: str) -> None:
    deadline = time.monotonic() + 5
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)
