"""Trees of any depth are deleted, and nothing outside of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podsysctl.base import trees


def nest(directory: Path, depth: int) -> None:
    """Nest directories as a program does that changes into each: the path grows longer than a path may be."""
    inside = os.open(directory, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("directory", dir_fd=inside)
        child = os.open("directory", os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = child
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
    os.close(inside)


@pytest.mark.parametrize("depth", [0, trees.DEPTH - 1, trees.DEPTH, trees.DEPTH + 1, 3000])
def test_remove_of_any_depth_leaves_nothing(tmp_path: Path, depth: int) -> None:
    """On both sides of what is open at once, and past what Python recurses."""
    root = tmp_path / "root"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        nest(root / name, depth)
    trees.remove(root)
    assert list(tmp_path.iterdir()) == []


def test_remove_does_not_follow_links(tmp_path: Path) -> None:
    """A link goes, and what it leads to stays."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    trees.remove(root)
    assert (tmp_path / "outside" / "kept").exists()
    assert not root.exists()


def test_remove_of_a_link_is_refused(tmp_path: Path) -> None:
    """The tree to delete is a directory itself."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="link"):
        trees.remove(tmp_path / "link")
    assert (tmp_path / "outside").is_dir()
