"""What is taken away of a pod that lives on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from podsysctl.node import labels
from podsysctl.node.cleanup import Cleanup
from podsysctl.node.config import AgentConfig
from podsysctl.node.paths import NodePaths
from podsysctl.node.runtime_state import EXITED, PodRuntime
from podsysctl.runtime import cri_pb2 as cri
from tests.node.builders import record, runtime


class _Runtime:
    """Notes what is removed, as a runtime and as its reader."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.forgotten: list[str] = []

    async def remove_container(self, container_id: str) -> None:
        self.removed.append(container_id)

    def forget(self, container_id: str) -> None:
        self.forgotten.append(container_id)


class _Node(_Runtime):
    """One that has a sandbox of this uid, and notes whose volumes are removed."""

    def __init__(self, uid: str) -> None:
        super().__init__()
        self.sandbox = cri.PodSandbox(id="s", labels={labels.NODE: "node1", labels.POD_UID: uid})
        self.taken: list[str] = []
        self.on_list: Callable[[], None] = list

    def cleanup(self, root: Path) -> Cleanup:
        """The clean-up of this node."""
        unused, here = cast(Any, None), cast(Any, self)
        return Cleanup(unused, here, here, unused, here, NodePaths(root), AgentConfig("node1", root))

    async def list_pod_sandbox(self, _filter: object) -> list[cri.PodSandbox]:
        self.on_list()
        return [self.sandbox]

    async def read(self, uid: str) -> PodRuntime:
        return PodRuntime(uid)

    async def remove(self, uid: str) -> None:
        self.taken.append(uid)


def _cleanup(service: _Runtime, root: Path) -> Cleanup:
    unused = cast(Any, None)
    return Cleanup(unused, cast(Any, service), cast(Any, service), unused, unused, NodePaths(root), unused)


def _runs(logs: Path, count: int) -> PodRuntime:
    """A container that ended so often, each run with a log that was rotated once."""
    logs.mkdir(parents=True)
    for number in range(count):
        (logs / f"{number}.log").touch()
        (logs / f"{number}.log.20260101-000000.gz").touch()
    return runtime(*(record(state=EXITED, number=n, log_path=str(logs / f"{n}.log")) for n in range(count)))


async def test_prune_removes_older_runs_with_their_logs(tmp_path: Path) -> None:
    """The present run and the one before stay with their logs; a container that crashes for days fills no disk."""
    logs = tmp_path / "logs" / "default_p_uid-1" / "c"
    found, service = _runs(logs, 12), _Runtime()
    await _cleanup(service, tmp_path).prune(found)
    assert service.removed == service.forgotten == [f"c-{number}" for number in range(9, -1, -1)]
    assert [entry.id for entry in found.containers] == ["c-11", "c-10"]
    assert sorted(path.name for path in logs.iterdir()) == [
        "10.log", "10.log.20260101-000000.gz", "11.log", "11.log.20260101-000000.gz"
    ]  # fmt: skip


async def test_prune_removes_no_file_outside_the_logs(tmp_path: Path) -> None:
    """Where a log lies is the runtime's word alone."""
    elsewhere = tmp_path / "elsewhere"
    found = _runs(elsewhere, 3)
    await _cleanup(_Runtime(), tmp_path).prune(found)
    assert len(list(elsewhere.iterdir())) == 6


@pytest.mark.parametrize("uid", ["", ".", "..", "../.."])
async def test_orphans_that_name_no_folder_of_their_own_are_left_alone(tmp_path: Path, uid: str) -> None:
    """A sandbox of somebody else with our node's label must not cost the volumes of all pods."""
    node = _Node(uid)
    await node.cleanup(tmp_path).orphans(tuple)
    assert node.taken == []


async def test_orphans_are_not_pods_that_begin_meanwhile(tmp_path: Path) -> None:
    """What is found is older than the list of pods: a new one must not lose its volumes and its sandbox."""
    node = _Node("old")
    begun: set[str] = set()

    def begin(uid: str) -> None:
        begun.add(uid)
        (tmp_path / "pods" / uid).mkdir(parents=True)

    node.on_list = lambda: begin("new")
    await node.cleanup(tmp_path).orphans(lambda: begun)
    assert node.taken == ["old"]
