"""emptyDir volumes: made whole, and then their containers' own."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.node.paths import NodePaths
from podsysctl.node.volumes.errors import VolumeError
from podsysctl.node.volumes.manager import Volumes, remove_tree
from tests.node.builders import pod

GROUP = 4000
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount and to give files away")


class _KilledError(BaseException):
    """The end of the process, which nothing can catch."""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The node's folder; what was mounted below is undone."""
    yield tmp_path / "node"
    remove_tree(tmp_path / "node")


async def _ensure(root: Path, *, medium: str = "", group: int | None = None) -> Path:
    """Make the volume, as each step of a pod does; where it lies."""
    unused = cast(Any, None)
    volumes = Volumes(NodePaths(root), unused, unused, FakeClock(), unused)
    body = pod(volumes=[{"name": "v", "emptyDir": {"medium": medium} if medium else {}}])
    if group is not None:
        body["spec"]["securityContext"] = {"fsGroup": group}
    return (await volumes.ensure(body, ()))["v"].host_path


def _rights(path: Path) -> tuple[int, int]:
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_gid


async def test_empty_dir_is_everybodys(root: Path) -> None:
    """Whatever the umask says."""
    assert stat.S_IMODE((await _ensure(root)).stat().st_mode) == 0o777


@needs_root
@pytest.mark.root
@pytest.mark.parametrize(("medium", "mode"), [("", 0o2777), ("Memory", 0o3777)])
async def test_empty_dir_with_a_group_belongs_to_it(root: Path, medium: str, mode: int) -> None:
    """What is made in it belongs to the group as well."""
    assert _rights(await _ensure(root, medium=medium, group=GROUP)) == (mode, GROUP)


@needs_root
@pytest.mark.root
@pytest.mark.parametrize("medium", ["", "Memory"])
async def test_empty_dir_of_a_killed_process_is_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, medium: str
) -> None:
    """Between the making and the giving away there is no volume: one without its rights would stay so for good."""

    def kill(*_: object, **__: object) -> None:
        raise _KilledError

    for call in ("chmod", "chown"):
        with monkeypatch.context() as patch, contextlib.suppress(_KilledError):
            patch.setattr(os, call, kill)
            await _ensure(root, medium=medium, group=GROUP)
    whole = await _ensure(root / "pods" / "other", medium=medium, group=GROUP)
    assert _rights(await _ensure(root, medium=medium, group=GROUP)) == _rights(whole)


async def test_empty_dir_that_is_there_is_not_touched(root: Path) -> None:
    """Its containers may exchange a file for a link to one of the node's while we look at it."""
    volume = await _ensure(root)
    os.chmod(volume, 0o700)
    (volume / "file").touch(mode=0o600)
    again = await _ensure(root)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (again, again / "file")] == [0o700, 0o600]


async def test_empty_dir_of_huge_pages_is_refused(root: Path) -> None:
    """An ordinary directory is no hugetlbfs."""
    with pytest.raises(VolumeError, match="emptyDir medium HugePages-2Mi is not supported on this node"):
        await _ensure(root, medium="HugePages-2Mi")
