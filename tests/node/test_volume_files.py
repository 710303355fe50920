"""Files of volumes: atomic replacement, ownership, sub paths that cannot leave, host path types."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podsysctl.node.volumes import atomic, hostpath, mounts, subpath
from podsysctl.node.volumes.atomic import File
from podsysctl.node.volumes.manager import remove_tree
from podsysctl.runtime import sweep
from tests.base.test_trees import nest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount and to give files away")


def test_atomic_write_shows_files_through_data_link(tmp_path: Path) -> None:
    """Containers see links through ..data, so that one rename replaces all files."""
    assert atomic.write(tmp_path, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, NOW, None)
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "d") == "..data/d"
    assert (tmp_path / "d" / "b").read_bytes() == b"2"
    assert stat.S_IMODE((tmp_path / "d" / "b").stat().st_mode) == 0o400


def test_atomic_write_same_content_changes_nothing(tmp_path: Path) -> None:
    """Writing what is there already leaves the directory alone."""
    files = {"a": File(b"1", 0o644)}
    atomic.write(tmp_path, files, NOW, None)
    before = os.readlink(tmp_path / "..data")
    assert not atomic.write(tmp_path, files, NOW, None)
    assert os.readlink(tmp_path / "..data") == before


def test_atomic_write_new_content_replaces_and_removes(tmp_path: Path) -> None:
    """Changed files change, removed ones vanish, and the old directory is deleted."""
    atomic.write(tmp_path, {"a": File(b"1", 0o644), "gone": File(b"x", 0o644)}, NOW, None)
    assert atomic.write(tmp_path, {"a": File(b"2", 0o644)}, NOW, None)
    assert (tmp_path / "a").read_bytes() == b"2"
    assert not (tmp_path / "gone").is_symlink()
    assert len([p for p in tmp_path.iterdir() if p.name.startswith("..2")]) == 1


@needs_root
@pytest.mark.root
def test_atomic_write_with_group_belongs_to_it(tmp_path: Path) -> None:
    """With an fsGroup the files belong to the group and are readable by it."""
    atomic.write(tmp_path, {"a": File(b"1", 0o400)}, NOW, 4000)
    found = (tmp_path / "a").stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (4000, 0o440)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A volume directory; whatever was mounted below the test's directory is undone."""
    root = tmp_path / "volume"
    root.mkdir()
    yield root
    mounts.unmount_below(tmp_path)


@needs_root
@pytest.mark.root
def test_sub_path_missing_directory_is_made_inside(volume: Path, tmp_path: Path) -> None:
    """A sub path that is not there is made with the volume's rights, and bound."""
    os.chmod(volume, 0o777)
    target = subpath.prepare(volume, "a/b", tmp_path / "bind" / "0", make_missing=True)
    (volume / "a" / "b" / "file").write_text("x")
    assert (target / "file").read_text() == "x"
    assert stat.S_IMODE((volume / "a" / "b").stat().st_mode) == 0o777


@needs_root
@pytest.mark.root
@pytest.mark.parametrize("link", ["/etc", "../../..", "../outside"])
def test_sub_path_link_out_of_volume_is_refused(volume: Path, tmp_path: Path, link: str) -> None:
    """A link that a container put into its volume does not lead to the node's files."""
    (tmp_path / "outside").mkdir()
    (volume / "escape").symlink_to(link)
    with pytest.raises(subpath.SubPathError):
        subpath.prepare(volume, "escape", tmp_path / "bind" / "0", make_missing=True)
    assert sweep.mounts_below(tmp_path) == []


@needs_root
@pytest.mark.root
def test_sub_path_link_inside_volume_is_followed(volume: Path, tmp_path: Path) -> None:
    """A link that stays in the volume is fine: configMap keys are such links."""
    atomic.write(volume, {"key": File(b"v", 0o644)}, NOW, None)
    target = subpath.prepare(volume, "key", tmp_path / "bind" / "0", make_missing=False)
    assert target.read_bytes() == b"v"


@needs_root
@pytest.mark.root
def test_remove_tree_leaves_what_was_bound_in(tmp_path: Path) -> None:
    """Removing a pod's directory never reaches through a bind mount into the node's files."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "precious").write_text("x")
    inside = tmp_path / "pod" / "mnt"
    inside.mkdir(parents=True)
    mounts.bind(str(host), inside)
    remove_tree(tmp_path / "pod")
    assert (host / "precious").read_text() == "x"
    assert not (tmp_path / "pod").exists()


def test_remove_tree_removes_directories_of_any_depth(tmp_path: Path) -> None:
    """A container decides how deep its volume is; a pod that cannot be removed would stay, and end the clean-up."""
    volume = tmp_path / "pod" / "volumes" / "kubernetes.io~empty-dir" / "v"
    volume.mkdir(parents=True)
    nest(volume, 3000)
    remove_tree(tmp_path / "pod")
    assert list(tmp_path.iterdir()) == []


def test_host_path_types_are_checked_or_made(tmp_path: Path) -> None:
    """A type that does not fit is refused in the kubelet's words; OrCreate types make what is missing."""
    missing = tmp_path / "x" / "y"
    with pytest.raises(hostpath.HostPathError) as caught:
        hostpath.prepare(str(missing), "Directory")
    assert str(caught.value) == f"hostPath type check failed: {missing} is not a directory"
    hostpath.prepare(str(missing), "DirectoryOrCreate")
    hostpath.prepare(str(missing / "f"), "FileOrCreate")
    assert (missing / "f").is_file()
    with pytest.raises(hostpath.HostPathError):
        hostpath.prepare(str(missing / "f"), "Directory")
    hostpath.prepare(str(tmp_path / "anything"), "")


def test_host_path_file_or_create_opens_nothing_that_is_there(tmp_path: Path) -> None:
    """A named pipe is no file, which is told; nobody waits for its other end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(hostpath.HostPathError) as caught:
            hostpath.prepare(str(path), "FileOrCreate")
        assert str(caught.value) == f"hostPath type check failed: {path} is not a file"
