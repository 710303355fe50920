"""Which privileged pods `sysctl origin` names: those that ran, on this machine, and wrote the node's own value."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from podsysctl.cli import sysctl_origin_pods
from podsysctl.kernel.settings import Source
from podsysctl.sysctls.name import parse_name

SWAPPINESS = parse_name("vm.swappiness")
SOMAXCONN = parse_name("net.core.somaxconn")


def pod(
    *words: str, name: str = "p", started: str = "2026-01-01T00:00:00Z", owner: str = "tune", code: int = 0, **spec: Any
) -> dict[str, Any]:
    """A pod whose privileged init container has run `sysctl -w` with these."""
    owners = [{"kind": "DaemonSet", "name": owner, "controller": True}] if owner else []
    container = {"name": "set", "command": ["sysctl", "-w", *words], "securityContext": {"privileged": True}}
    state = {"terminated": {"exitCode": code, "startedAt": started}}
    return {
        "metadata": {"name": name, "namespace": "kube-system", "ownerReferences": owners},
        "spec": {"initContainers": [container], **spec},
        "status": {"initContainerStatuses": [{"name": "set", "state": state}]},
    }


def test_write_of_a_daemon_set_is_named_with_its_container() -> None:
    """The workload that a person knows, not the pod; once for all of its pods."""
    found = sysctl_origin_pods.sources(SWAPPINESS, [pod("vm.swappiness=7"), pod("vm.swappiness=7", name="q")])
    assert found == [Source("DaemonSet", "kube-system/tune, container set", "7")]
    [alone] = sysctl_origin_pods.sources(SWAPPINESS, [pod("vm.swappiness=7", owner="")])
    assert (alone.kind, alone.where) == ("privileged pod", "kube-system/p, container set")


def test_the_last_write_comes_last() -> None:
    """Containers act when they start: the later one wins, whatever order the pods are listed in."""
    early = pod("vm.swappiness=1", owner="early")
    late = pod("vm.swappiness=2", owner="late", started="2026-01-02T00:00:00Z")
    assert [s.value for s in sysctl_origin_pods.sources(SWAPPINESS, [late, early])] == ["1", "2"]


def test_what_never_ran_failed_or_is_not_privileged_wrote_nothing() -> None:
    """A container that waits, ended badly or may not write is no origin."""
    waiting = pod("vm.swappiness=7")
    waiting["status"] = {}
    plain = pod("vm.swappiness=7")
    plain["spec"]["initContainers"][0]["securityContext"] = {}
    failed = pod("vm.swappiness=7", code=1)
    assert sysctl_origin_pods.sources(SWAPPINESS, [waiting, plain, failed, pod("vm.laptop_mode=1")]) == []


@pytest.mark.parametrize("host_network", [True, False])
def test_network_parameters_are_the_nodes_only_in_its_namespace(host_network: bool) -> None:
    """Without hostNetwork it was the pod's own value."""
    found = sysctl_origin_pods.sources(SOMAXCONN, [pod("net.core.somaxconn=9", hostNetwork=host_network)])
    assert [s.value for s in found] == (["9"] if host_network else [])


def test_machine_without_kubeconfig_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no cluster, the question is about files alone."""
    monkeypatch.setattr(sysctl_origin_pods.connect, "kubeconfig_paths", lambda _: [])
    assert sysctl_origin_pods.of_pods(SWAPPINESS, argparse.Namespace()) == []


def test_cluster_that_is_away_is_told_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other layers are still told."""
    from podsysctl.cli import main

    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: u, user: {}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    assert main.main(["sysctl", "origin", "vm.stat_interval"]) == 0
    printed = capsys.readouterr()
    assert "vm.stat_interval = " in printed.out
    assert "note: privileged pods are left out, the cluster was not asked: " in printed.err
