"""A data directory is ours, or nothing in it is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from podsysctl.cli import down, machine, machine_files, up
from podsysctl.cli.main import main


def _tree(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() if p.is_file() else "" for p in root.rglob("*")}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A directory that is somebody else's."""
    directory = tmp_path / "theirs"
    (directory / "containerd").mkdir(parents=True)
    (directory / "containerd" / "config.toml").write_text("version = 2\n")
    (directory / "passwd").write_text("root:x:0:0\n")
    return directory


@pytest.mark.parametrize("words", [["down"], ["down", "--wipe"], ["up"]])
def test_foreign_directory_is_refused_and_left_as_it_is(
    foreign: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped --data-dir deletes nothing, makes nothing, and does not become a cluster's."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    before = _tree(foreign)

    assert main([*words, "--data-dir", str(foreign)]) == 1

    assert f"error: {foreign} is not empty and holds no cluster" in capsys.readouterr().err
    assert _tree(foreign) == before


def test_directory_with_a_folder_named_lock_is_foreign(foreign: Path) -> None:
    """/run has a `lock` too; only the file that a start makes is the mark."""
    (foreign / "lock").mkdir()

    with pytest.raises(machine_files.ForeignDirectoryError):
        machine_files.MachineFiles(foreign).require_own()


def test_directory_with_another_programs_lock_is_foreign(foreign: Path) -> None:
    """A lock file with words in it is not ours."""
    (foreign / "lock").write_text("4711\n")

    with pytest.raises(machine_files.ForeignDirectoryError):
        machine_files.MachineFiles(foreign).require_own()


@pytest.mark.parametrize("names", [(), ("aliases.toml",)])
def test_unused_directory_is_taken_and_stays_ours(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Aliases may be set before the first start, and a started directory is known again, whatever is in it."""
    for name in names:
        (tmp_path / name).write_text("")
    files = machine_files.MachineFiles(tmp_path)

    with files.lock():
        assert files.is_running()

    (tmp_path / "store").mkdir()
    files.require_own()
    assert not files.is_running()


@pytest.mark.parametrize("below", ["sub", "nodes", "a/b", "link"])
def test_directory_inside_another_clusters_is_refused(
    tmp_path: Path, below: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`down --wipe` of the outer one would delete what the inner one has; nothing is made there."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    outer, inner = tmp_path / "outer", tmp_path / "outer" / below
    with machine_files.MachineFiles(outer).lock():
        (outer / "store").mkdir()
    if below == "link":
        inner = tmp_path / "link"
        inner.symlink_to(outer / "nodes")
    before = _tree(tmp_path)

    assert main(["up", "--data-dir", str(inner)]) == 1

    error = f"error: {inner} is inside {outer}, which is another cluster's data directory\n"
    assert capsys.readouterr().err == f"{error}\nhint: give --data-dir a directory outside of it\n"
    assert _tree(tmp_path) == before


def test_directory_beside_another_programs_lock_is_no_clusters(tmp_path: Path) -> None:
    """An empty file of that name alone makes no cluster of the directory above."""
    with machine_files.MachineFiles(tmp_path).lock():
        machine_files.MachineFiles(tmp_path / "sub").require_apart()


def test_directory_around_another_clusters_is_refused(tmp_path: Path) -> None:
    """It is not empty."""
    with machine_files.MachineFiles(tmp_path / "sub").lock():
        files = machine_files.MachineFiles(tmp_path)
        with pytest.raises(machine_files.ForeignDirectoryError, match="is not empty"):
            files.require_own()


def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """The error says so, in place of a traceback."""
    (tmp_path / "file").write_text("")

    with pytest.raises(machine_files.ForeignDirectoryError, match="Not a directory"):
        machine_files.MachineFiles(tmp_path / "file").lock()


def test_asking_whether_it_runs_makes_no_file(tmp_path: Path) -> None:
    """`status` leaves no trace."""
    assert not machine_files.MachineFiles(tmp_path).is_running()
    assert not list(tmp_path.iterdir())


def test_failed_start_tells_the_hint_of_the_serving_process(tmp_path: Path) -> None:
    """What to do about a taken port is said on the terminal, not in the log alone."""
    files = machine_files.MachineFiles(tmp_path)
    files.log.write_text("error: an older one\n\nhint: an older one\n")
    position = files.log.stat().st_size
    with files.log.open("a") as log:
        log.write("INFO up\nerror: cannot listen on 127.0.0.1:1\n\nhint: choose another port with --port\n")

    assert up._why(files, position) == ("cannot listen on 127.0.0.1:1", "choose another port with --port")
    assert up._why(files, files.log.stat().st_size)[1] == ""


def _state(pid: int) -> machine_files.MachineState:
    """What a cluster wrote down whose process has that number."""
    return machine_files.MachineState(
        pid=pid, server="", kubeconfig="", runtime_endpoint="", private_runtime=True, nodes=()
    )


def test_start_in_the_foreground_forgets_the_process_of_a_killed_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has told its own number, `down` must find none: the old one may be somebody else's by now."""
    files = machine_files.MachineFiles(tmp_path / "d")
    with files.lock():
        files.write_state(_state(os.getpid()))
    found: list[machine_files.MachineState | None] = []

    async def serve(config: machine.MachineConfig) -> None:
        found.append(config.files.read_state())

    monkeypatch.setattr(machine, "serve", serve)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["up", "--foreground", "--data-dir", str(files.data_dir)]) == 0
    assert found == [None]


def test_runtime_of_a_killed_cluster_stays_known(tmp_path: Path) -> None:
    """A start that fails must not cost `down` the way to the pods that run there."""
    files = machine_files.MachineFiles(tmp_path / "d")
    with files.lock():
        told = replace(_state(7), runtime_endpoint="unix:///run/other.sock", private_runtime=False, nodes=("n",))
        files.write_state(told)
        files.forget_process()
    assert files.read_state() is None
    assert files.read_last_state() == replace(told, pid=0)


@pytest.mark.parametrize("text", ["", "[]", '{"pid": 1}', '{"nodes": [], "up_arguments": [], "more": 1}'])
def test_state_of_another_version_is_one_error_and_replaced_by_a_start(tmp_path: Path, text: str) -> None:
    """`status` and `down` say so; `up` does not stumble over it."""
    files = machine_files.MachineFiles(tmp_path / "d")
    with files.lock():
        (files.data_dir / "machine.json").write_text(text)
        with pytest.raises(machine_files.ForeignStateError, match="was not written by this version"):
            files.read_state()
        files.forget_process()
    assert files.read_state() is None


def test_process_that_ended_meanwhile_is_no_error_to_down(tmp_path: Path) -> None:
    """Between the look at the lock and the signal the cluster may end by itself."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    down._stop(machine_files.MachineFiles(tmp_path), _state(gone.pid))
