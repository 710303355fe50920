"""Files that a crash must not take."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from podsysctl.base import durable


def test_write_replaces_the_file_with_the_mode_it_is_told(tmp_path: Path) -> None:
    """The new content stands alone in the directory, whatever the umask says."""
    file = tmp_path / "record.json"
    file.write_text("old")
    before = os.umask(0o077)
    try:
        durable.write(file, "new", mode=0o644)
    finally:
        os.umask(before)
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_write_syncs_the_content_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on disk before the name points at it, and the name before the caller goes on."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(fd: int) -> None:
        done.append(f"sync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")
        fsync(fd)

    def noted_replace(source: str, target: str) -> None:
        done.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    durable.write(tmp_path / "a", b"x")
    assert done == [f"sync {durable.temporary_name('a')}", "replace", f"sync {tmp_path.name}"]


def test_write_that_the_disk_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    """An error in the middle of the new file loses nothing and leaves nothing."""
    file = tmp_path / "record.json"
    file.write_text("old")
    code = f"from podsysctl.base import durable; durable.write({str(file)!r}, 'x' * 100)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )  # fmt: skip
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["machine.json", ".machine.json", ".machine.json.new", "machine.json.7.new", ".7.new"])
def test_only_names_of_unfinished_files_have_an_owner(name: str) -> None:
    """What a killed process left is told from everything else."""
    assert durable.replaced(name) == ""
    assert durable.replaced(durable.temporary_name(name)) == name
