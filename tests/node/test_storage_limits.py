"""How much of a disk a volume takes, whatever its container does to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podsysctl.base import trees
from podsysctl.node.storage_limits import used_bytes
from tests.base.test_trees import nest

SIZE = 64 * 1024


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """An empty volume."""
    root = tmp_path / "volume"
    root.mkdir()
    yield root
    trees.remove(root)


def test_used_bytes_counts_files_in_directories(volume: Path) -> None:
    """Blocks on disk, and no link's target."""
    (volume / "a" / "b").mkdir(parents=True)
    (volume / "a" / "b" / "file").write_bytes(os.urandom(SIZE))
    (volume / "link").symlink_to("/usr")
    assert SIZE <= used_bytes(volume) < 2 * SIZE


def test_used_bytes_of_paths_that_are_too_long_counts_the_rest(volume: Path) -> None:
    """No container can end the measuring of all pods, which ends the node's agent."""
    nest(volume, 1000)
    (volume / "file").write_bytes(os.urandom(SIZE))
    assert used_bytes(volume) >= SIZE


def test_used_bytes_of_a_directory_that_became_a_file_counts_the_rest(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may exchange what was just listed."""
    (volume / "file").write_bytes(os.urandom(SIZE))
    (volume / "swapped").mkdir()
    ismount = os.path.ismount

    def swap(path: str) -> bool:
        os.rmdir(path)
        Path(path).touch()
        return ismount(path)

    monkeypatch.setattr(os.path, "ismount", swap)
    assert used_bytes(volume) >= SIZE


def test_used_bytes_of_a_volume_that_is_gone_is_nothing(tmp_path: Path) -> None:
    """The pod ended meanwhile."""
    assert used_bytes(tmp_path / "gone") == 0
