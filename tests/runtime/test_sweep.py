from __future__ import annotations

import os
from pathlib import Path

import pytest

from podsysctl.runtime import sweep


def test_mounts_below_a_directory_are_found_with_odd_names(tmp_path: Path) -> None:
    """Octal escapes are undone; a directory that only begins alike is not meant."""
    mountinfo = tmp_path / "mountinfo"
    lines = ["1 0 8:1 / / rw - ext4 x rw", "2 1 0:5 / /d rw - tmpfs x rw", "3 1 0:6 / /d/a\\040b rw - tmpfs x rw"]
    mountinfo.write_text("\n".join([*lines, "4 1 0:7 / /dd rw - tmpfs x rw"]) + "\n")
    assert sweep.mounts_below(Path("/d"), mountinfo) == ["/d", "/d/a b"]


@pytest.mark.parametrize("name", ["h\u00fcte", "a\u2028b", "a\x0cb", "\udcff"])
def test_mounts_below_a_directory_are_found_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    """A mount that is not found is not undone, and then what is mounted there is deleted with the directory."""
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_bytes(os.fsencode(f"1 0 0:5 / /d/{name}/mnt rw - tmpfs x rw\n2 0 0:5 / /e rw - tmpfs x rw\n"))
    assert sweep.mounts_below(Path("/d", name), mountinfo) == [f"/d/{name}/mnt"]


def test_results_of_other_sandboxes_stay(tmp_path: Path) -> None:
    """libcni's notes are one directory for the whole host."""
    for name in ("podsysctl-aaa-eth0", "podsysctl-bbb-eth0", "other-ccc-eth0"):
        (tmp_path / name).touch()
    sweep.remove_results(["aaa"], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other-ccc-eth0", "podsysctl-bbb-eth0"]


def test_cgroups_that_are_empty_are_removed_in_every_hierarchy(tmp_path: Path) -> None:
    """One that holds something stays, and so do its parents."""
    for path in ("cpu/pods/a", "cpu/pods/b", "memory/pods", "cpu/others"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "cpu/pods/b/busy").touch()
    sweep.remove_cgroups(["/pods/"], tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "cpu",
        "cpu/others",
        "cpu/pods",
        "cpu/pods/b",
        "cpu/pods/b/busy",
        "memory",
    ]


def test_remove_cgroups_of_the_root_removes_nothing(tmp_path: Path) -> None:
    """An empty name is not every cgroup."""
    (tmp_path / "cpu/a").mkdir(parents=True)
    sweep.remove_cgroups(["/", ""], tmp_path)
    assert (tmp_path / "cpu/a").exists()
