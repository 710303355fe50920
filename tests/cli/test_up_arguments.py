"""`podsysctl up`: what a restart in the background is given."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.cli import down, up
from podsysctl.cli.machine_files import MachineFiles


def parse(*words: str) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser()
    up.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    "words",
    [
        ("--port=6443",),
        ("--port=1234", "--masters=1", "--workers=2"),
        ("--port=6443", "--node-name=n", "--allowed-unsafe-sysctls=kernel.msg*", "--default-profiles"),
    ],
)
def test_arguments_are_repeated_for_the_process_in_the_background(words: tuple[str, ...]) -> None:
    """Each that changes the cluster, and none that was not given."""
    again = up._repeated(parse(*words))
    assert vars(parse(*again)) == vars(parse(*words))
    assert set(words) <= set(again)


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_port_that_cannot_be_is_refused_before_anything_is_made(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag is named, and no directory and no log come into being."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match=f"--port {port} is not from 0 to 65535"):
        up.run(parse(f"--port={port}"))


@pytest.mark.parametrize("name", ["Bad_", "a b", "../x", "n" * 64])
def test_node_name_that_cannot_be_is_refused_before_anything_is_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag is named; before, the API refused the Node after bridge, rules and host values had been set."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    directory = tmp_path / "d"
    with pytest.raises(UsageError, match="--node-name"):
        up.run(parse(f"--node-name={name}", f"--data-dir={directory}"))
    assert not directory.exists()


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("nope", "runtime endpoint 'nope' is not the path of a unix socket"),
        ("unix:///does/not/exist.sock", "no container runtime listens on /does/not/exist.sock"),
    ],
)
def test_runtime_that_is_not_there_is_refused_before_anything_is_made(
    endpoint: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it was written down, `down` would ask the same runtime in vain."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    directory = tmp_path / "d"
    with pytest.raises(PodsysctlError, match=text):
        up.run(parse(f"--runtime-endpoint={endpoint}", f"--data-dir={directory}"))
    assert not directory.exists()


@pytest.mark.parametrize("has_run", [False, True])
def test_start_that_fails_is_undone_unless_a_node_ran_before(
    has_run: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods outlive the process, in our runtime or another, and their files are the next start's."""
    cleaned = []
    monkeypatch.setattr(down, "clean", lambda files, wipe: cleaned.append(wipe))
    files = MachineFiles(tmp_path / "d")
    with files.lock():
        pass
    if has_run:
        (files.nodes / "n" / "pods").mkdir(parents=True)
    words = (f"--data-dir={files.data_dir}", "--masters=1", "--workers=2", "--tuned-engine=tuned", "--port=0")
    with pytest.raises(PodsysctlError) as caught:
        up._background(parse(*words))
    assert caught.value.hint in (f"the log is {files.log}", "sudo apt-get install tuned")
    assert cleaned == ([] if has_run else [False])


def test_undo_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whose the cluster is that a second `up` met is not: it is not undone."""

    def fail(files: MachineFiles, wipe: bool) -> None:
        raise PodsysctlError("processes 7 did not end after SIGKILL")

    monkeypatch.setattr(down, "clean", fail)
    files = MachineFiles(tmp_path / "d")
    with files.lock():
        assert up._undo(files) == ""
    told = up._undo(files)
    assert told.startswith(f"`podsysctl down --data-dir {files.data_dir}` undoes")
    assert told.endswith("processes 7 did not end after SIGKILL")
