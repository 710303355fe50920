"""Runs commands in this process and gives what they printed; processes in namespaces of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from podsysctl.cli.main import main


class Done(NamedTuple):
    """A command's end."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `podsysctl` with words."""

    def call(*words: str) -> Done:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def other_process() -> Iterator[int]:
    """The process id of a process with net, ipc and uts namespaces of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: namespaces are made directly")
    process = subprocess.Popen(
        ["unshare", "--net", "--ipc", "--uts", "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()
