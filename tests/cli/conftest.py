"""An API server of our own for the whole session, and the program run against it in this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from podsysctl.cli import main

START_TIMEOUT_S = 30


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    out: str
    err: str
    code: int


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def api_kubeconfig() -> Iterator[Path]:
    """The administrator's kubeconfig of an API server that runs until the session ends."""
    directory = Path(tempfile.mkdtemp(prefix="psc-", dir="/tmp"))
    log = (directory / "log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "podsysctl.apiserver", "--data-dir", str(directory / "d"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert server.stdout is not None
        path = server.stdout.readline().strip()
        assert path, (directory / "log").read_text()
        yield Path(path)
    finally:
        server.terminate()
        server.wait(timeout=START_TIMEOUT_S)
        assert server.stdout is not None
        server.stdout.close()
        log.close()
        shutil.rmtree(directory)


@pytest.fixture
def run(
    api_kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Call the program as its users do, in this process, with the test's own copy of the kubeconfig."""
    own = tmp_path / "kubeconfig"
    shutil.copy(api_kubeconfig, own)
    monkeypatch.setenv("KUBECONFIG", str(own))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> Done:
        capfd.readouterr()
        code = main.main(words)
        captured = capfd.readouterr()
        return Done(captured.out, captured.err, code)

    return call


_numbers = count()


@pytest.fixture
def namespace(run: Run) -> str:
    """A namespace that no other test uses; the server goes away with it."""
    name = f"t{os.getpid()}-{next(_numbers)}"
    assert run("create", "namespace", name).out == f"namespace/{name} created\n"
    run("config", "set-context", "--current", f"--namespace={name}")
    return name
