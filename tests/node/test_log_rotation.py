from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from podsysctl.base.clock import FakeClock
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node import log_rotation
from podsysctl.node.log_rotation import LogRotation


class _Runtime:
    """Running containers, each with its log; a reopened log is a new, empty file, as a runtime makes it."""

    def __init__(self, path: Path, *others: Path) -> None:
        self.path = path
        self.logs = {"c1": path, **{f"c{number}": other for number, other in enumerate(others, 2)}}
        self.failing: set[str] = set()

    async def list_containers(self, _filter: object) -> list[Any]:
        return [SimpleNamespace(id=container_id) for container_id in self.logs]

    async def container_status(self, container_id: str) -> Any:
        return SimpleNamespace(status=SimpleNamespace(log_path=str(self.logs[container_id])))

    async def reopen_container_log(self, container_id: str) -> None:
        if container_id in self.failing:
            raise RuntimeServiceError("Unknown", "no")
        self.logs[container_id].touch()


@pytest.fixture
def runtime(tmp_path: Path) -> _Runtime:
    return _Runtime(tmp_path / "0.log")


def _rotation(runtime: _Runtime, clock: FakeClock, **bounds: int) -> LogRotation:
    return LogRotation(cast(Any, runtime), "node1", clock, **bounds)


async def test_log_below_its_size_stays(runtime: _Runtime) -> None:
    """One byte less than the bound."""
    runtime.path.write_bytes(b"x" * 99)
    assert await _rotation(runtime, FakeClock(), max_size_bytes=100).rotate_all() == 0


async def test_log_at_its_size_is_renamed_and_opened_anew(runtime: _Runtime) -> None:
    """Nothing written is lost."""
    runtime.path.write_bytes(b"x" * 100)
    assert await _rotation(runtime, FakeClock(), max_size_bytes=100).rotate_all() == 1
    assert runtime.path.read_bytes() == b""
    assert (runtime.path.parent / "0.log.20260101-000000").read_bytes() == b"x" * 100


async def test_rotated_logs_are_compressed_and_bounded(runtime: _Runtime) -> None:
    """The newest rotated one stays plain, older ones are packed, the oldest go."""
    clock = FakeClock()
    rotation = _rotation(runtime, clock, max_size_bytes=1, max_files=4)
    for number in range(6):
        runtime.path.write_text(f"log {number}")
        assert await rotation.rotate_all() == 1
        clock.advance(1)
    names = sorted(p.name for p in runtime.path.parent.iterdir())
    assert names == ["0.log", "0.log.20260101-000003.gz", "0.log.20260101-000004.gz", "0.log.20260101-000005"]
    packed = runtime.path.parent / "0.log.20260101-000004.gz"
    assert gzip.decompress(packed.read_bytes()) == b"log 4"


async def test_log_that_the_runtime_does_not_reopen_keeps_its_name(runtime: _Runtime) -> None:
    """Otherwise the container would write where nobody looks."""
    runtime.path.write_bytes(b"x")
    runtime.failing = {"c1"}
    assert await _rotation(runtime, FakeClock(), max_size_bytes=1).rotate_all() == 0
    assert runtime.path.read_bytes() == b"x"


async def test_log_that_cannot_be_rotated_keeps_no_other_from_it(tmp_path: Path) -> None:
    """One container must not let the logs of all fill the disk."""
    runtime = _Runtime(tmp_path / "a.log", tmp_path / "b.log")
    for path in runtime.logs.values():
        path.write_bytes(b"x")
    runtime.failing = {"c1"}
    assert await _rotation(runtime, FakeClock(), max_size_bytes=1).rotate_all() == 1
    assert (tmp_path / "b.log").read_bytes() == b""


async def test_log_that_was_renamed_and_not_opened_anew_is_opened(runtime: _Runtime) -> None:
    """The agent was killed between the two: the container writes to the old file, which nobody would ever rotate."""
    runtime.path.write_bytes(b"x")
    runtime.path.rename(runtime.path.with_name("0.log.20260101-000000"))
    assert await _rotation(runtime, FakeClock(), max_size_bytes=1).rotate_all() == 0
    assert runtime.path.read_bytes() == b""


def test_tidy_removes_what_an_interrupted_compression_left(tmp_path: Path) -> None:
    """A half-written archive is no archive."""
    (tmp_path / "0.log.1.gz.tmp").write_bytes(b"half")
    log_rotation.tidy(tmp_path / "0.log", 5)
    assert list(tmp_path.iterdir()) == []
