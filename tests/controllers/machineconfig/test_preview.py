"""What a KubeletConfig would do, told beforehand."""

from __future__ import annotations

import pytest

from podsysctl.controllers.machineconfig import kubelet_config as kc
from podsysctl.controllers.machineconfig import render
from podsysctl.controllers.machineconfig.preview import Entry, PoolPreview, Verdict, preview
from podsysctl.objects import machineconfig as names
from podsysctl.policy.kubelet_config_fields import KubeletConfigError
from tests.controllers.machineconfig.builders import NOW, Object, node, pool, role_labels

LABELS = {"k": "v"}
FORBIDDEN = 'forbidden sysctl: "net.core.somaxconn" not allowlisted'


def config(*patterns: str, name: str = "kc") -> Object:
    """A KubeletConfig as a person writes it."""
    return {
        "metadata": {"name": name},
        "spec": {
            "machineConfigPoolSelector": {"matchLabels": LABELS},
            "kubeletConfig": {"allowedUnsafeSysctls": list(patterns)},
        },
    }


def pod(name: str, node_name: str, *sysctls: str, daemon: bool = False) -> Object:
    """A running pod."""
    owners = [{"kind": "DaemonSet", "name": "d", "controller": True}] if daemon else []
    return {
        "metadata": {"name": name, "namespace": "default", "ownerReferences": owners},
        "spec": {"nodeName": node_name, "securityContext": {"sysctls": [{"name": s, "value": "1"} for s in sysctls]}},
        "status": {"phase": "Running"},
    }


def look(config: Object, pods: list[Object], *, applied: Object | None = None, **fields: object) -> list[PoolPreview]:
    """Two workers and one infra node; `applied` is in force on the workers already."""
    infra = pool("infra", machineConfigSelector={"matchExpressions": [
        {"key": names.ROLE_LABEL, "operator": "In", "values": ["worker", "infra"]}]})  # fmt: skip
    pools = [pool("worker", labels=LABELS, **fields), infra, pool("master")]
    nodes = [node("b", created="2020-01-01T00:00:00Z"), node("a", cordoned=True),
             node("i", labels=role_labels("worker", "infra"))]  # fmt: skip
    machine_configs = render.base_machine_configs("worker") + render.base_machine_configs("master")
    live = []
    if applied is not None:
        metadata = {**applied["metadata"], "uid": "u", "annotations": {names.NAME_SUFFIX: ""}}
        live = [{**applied, "metadata": metadata, "status": kc.status_after(applied, "", NOW)}]
        machine_configs.append(kc.machine_config(live[0], "worker", "", render.BASE_KUBELET))
    return preview(config, pools, nodes, pods, machine_configs, live)


def test_preview_names_nodes_in_order_and_what_each_evicts() -> None:
    """Oldest first; DaemonSet pods stay; a cordoned node waits; pools that inherit change too, master does not."""
    pods = [pod("p", "b"), pod("d", "b", daemon=True), pod("q", "a"), pod("elsewhere", "m")]
    infra, worker = look(config("net.core.somaxconn"), pods, maxUnavailable=2)
    assert (infra.pool, worker.pool, worker.at_once) == ("infra", "worker", 2)
    assert [(n.name, n.evicted, n.hindrance) for n in worker.nodes] == [
        ("b", ("default/p",), ""),
        ("a", ("default/q",), "it is cordoned"),
    ]
    assert [n.name for n in infra.nodes] == ["i"]


def test_preview_tells_who_would_be_admitted() -> None:
    """With the refusal of today."""
    pods = [pod("p", "b", "net.core.somaxconn"), pod("x", "b", "kernel.msgmax")]
    worker = look(config("net.core.somaxconn"), pods)[1]
    assert worker.admitted == (Verdict("default/p", "b", FORBIDDEN),)
    assert worker.refused == ()


def test_preview_of_a_narrower_list_tells_who_would_be_refused() -> None:
    """With the refusal of tomorrow."""
    pods = [pod("p", "b", "net.core.somaxconn"), pod("x", "b", "kernel.msgmax")]
    ended = pod("ended", "b", "net.core.somaxconn")
    ended["status"]["phase"] = "Succeeded"
    pods.append(ended)
    worker = look(config("kernel.msg*"), pods, applied=config("kernel.msg*", "net.core.somaxconn"))[1]
    assert worker.refused == (Verdict("default/p", "b", FORBIDDEN),)
    assert worker.admitted == ()


def test_preview_of_entries_tells_which_unsafe_names_are_in_use() -> None:
    """Safe names need no entry; slashes are the same name."""
    pods = [pod("p", "b", "net.core.somaxconn", "net.ipv4.tcp_syncookies"), pod("w", "", "net/ipv4/tcp_rmem")]
    worker = look(config("net.*", "kernel.msgmax"), pods)[1]
    assert worker.entries == (Entry("net.*", ("net.core.somaxconn", "net.ipv4.tcp_rmem")), Entry("kernel.msgmax", ()))


def test_preview_of_what_is_in_force_is_empty() -> None:
    """The same list changes no node."""
    assert look(config("net.core.somaxconn"), [], applied=config("net.core.somaxconn")) == []


@pytest.mark.parametrize("pattern", ["vm.swappiness", "*", "kernel.*"])
def test_preview_of_a_bad_list_is_refused(pattern: str) -> None:
    """As the controller would refuse it."""
    with pytest.raises(KubeletConfigError):
        look(config(pattern), [])
