"""`down` takes every step of its clean-up, and says at the end which failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from podsysctl.base.attempts import Attempts
from podsysctl.base.errors import KernelError, PodsysctlError
from podsysctl.cli import down
from podsysctl.cli.machine_files import MachineFiles
from podsysctl.node import forwarding
from podsysctl.node.tuning import files as tuning
from podsysctl.runtime import network
from podsysctl.runtime.containerd import PrivateContainerd


def test_attempts_take_every_step_and_raise_what_failed() -> None:
    """The steps after a failure are taken, all failures are named, and the first one's hint is kept."""
    taken = []

    def clean() -> None:
        with Attempts() as attempts:
            with attempts.step():
                raise PodsysctlError("one", hint="look")
            with attempts.step():
                taken.append("two")
            with attempts.step():
                raise ExceptionGroup("group", [OSError(16, "busy", "/three")])

    with pytest.raises(PodsysctlError) as caught:
        clean()
    assert taken == ["two"]
    assert (caught.value.message, caught.value.hint) == ("one; [Errno 16] busy: '/three'", "look")


def test_attempts_let_a_bug_pass() -> None:
    """What is no error of ours and none of the system is not a failed clean-up step."""
    with pytest.raises(KeyError), Attempts() as attempts, attempts.step():
        raise KeyError("x")


def test_down_with_pods_that_stay_restores_the_host_and_keeps_the_nodes_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that fails and a value that the kernel refuses keep the other steps from nothing."""
    restored = []

    async def destroy(self: PrivateContainerd, **_: object) -> None:
        raise PodsysctlError("processes 7 did not end after SIGKILL")

    def refuse(data_dir: Path) -> None:
        raise KernelError("vm.swappiness: Invalid argument", errno=22)

    monkeypatch.setattr(PrivateContainerd, "destroy", destroy)
    monkeypatch.setattr(tuning, "restore", refuse)
    monkeypatch.setattr(forwarding, "restore", restored.append)
    files = MachineFiles(tmp_path)
    volumes = files.nodes / "master-0" / "pods"
    volumes.mkdir(parents=True)

    with pytest.raises(PodsysctlError) as caught:
        down.clean(files, wipe=False)

    assert caught.value.message == "processes 7 did not end after SIGKILL; vm.swappiness: Invalid argument"
    assert restored == [tmp_path]
    assert volumes.is_dir()


async def test_destroy_with_a_network_that_stays_removes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state directory goes although the bridge cannot; the note of the network is kept for the next `down`."""
    containerd = PrivateContainerd(tmp_path)
    containerd.paths.state.mkdir(parents=True)
    note = tmp_path / "containerd" / "network.json"
    note.write_text(network.choose("a test", [], ipv6=False, mtu=1500).to_json())

    async def refuse(chosen: network.PodNetwork) -> None:
        raise PodsysctlError("ip: Device or resource busy")

    monkeypatch.setattr(network, "remove", refuse)
    with pytest.raises(PodsysctlError) as caught:
        await containerd.destroy(wipe=True)
    assert caught.value.message == "ip: Device or resource busy"
    assert not containerd.paths.state.exists()
    assert note.exists()
