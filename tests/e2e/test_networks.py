"""Additional networks and sysctls of interfaces, from the API to the kernel, with the real kubectl and containerd."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import pods
from tests.e2e.cluster import Cluster, wait_until

pytestmark = pytest.mark.e2e

FIVE = {
    "net.ipv4.conf.IFNAME.accept_redirects": "0",
    "net.ipv4.conf.IFNAME.send_redirects": "0",
    "net.ipv4.conf.IFNAME.secure_redirects": "0",
    "net.ipv6.conf.IFNAME.accept_source_route": "1",
    "net.ipv6.neigh.IFNAME.retrans_time_ms": "2000",
}
"""Five entries of table 7.5, none of them with its default."""

BRIDGE = f"px{os.getpid()}"
"""How bridges of these tests begin: names of links are the host's, and somebody else may run the same tests."""

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
INTERFACE_SYSCTLS = "podsysctl.dev/interface-sysctls"


def definition(name: str, bridge: str, subnet: int, sysctl: dict[str, str]) -> dict[str, Any]:
    """A bridge with addresses of its own and sysctls."""
    plugins = [
        {
            "type": "bridge",
            "bridge": bridge,
            "ipam": {"type": "host-local", "subnet": f"10.251.{subnet}.0/24"},
        },
        {"type": "tuning", "sysctl": sysctl},
    ]
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name},
        "spec": {"config": json.dumps({"cniVersion": "0.4.0", "name": name, "plugins": plugins})},
    }


def annotated(name: str, **annotations: str) -> dict[str, Any]:
    """A pod with annotations: `networks` and `sysctls`."""
    keys = {"networks": NETWORKS, "sysctls": INTERFACE_SYSCTLS}
    out = pods.pod(name)
    out["metadata"]["annotations"] = {keys[key]: value for key, value in annotations.items()}
    return out


def read(cluster: Cluster, namespace: str, pod: str, keys: dict[str, str], interface: str) -> dict[str, str]:
    """The values of these keys on an interface, as a process in the pod sees them."""
    paths = [f"/proc/sys/{key.replace('.', '/').replace('IFNAME', interface)}" for key in keys]
    done = cluster.kubectl("exec", "-n", namespace, pod, "--", "cat", *paths)
    return dict(zip(keys, done.stdout.split(), strict=True))


def apply(cluster: Cluster, namespace: str, *objects: dict[str, Any]) -> None:
    """kubectl apply."""
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input_text=pods.manifest(*objects))


def messages(cluster: Cluster, namespace: str, pod: str) -> list[str]:
    """Reasons and texts of a pod's events."""
    found = cluster.get("events", "-n", namespace, "--field-selector", f"involvedObject.name={pod}")
    return [f"{event['reason']}: {event['message']}" for event in found["items"]]


def wait_message(cluster: Cluster, namespace: str, pod: str, pattern: str) -> str:
    """Wait for an event that matches."""

    def find() -> str:
        return next((text for text in messages(cluster, namespace, pod) if re.search(pattern, text)), "")

    return str(wait_until(find, 20, f"an event of {pod} like {pattern}"))


def allowlist_file(cluster: Cluster) -> Path:
    """The file of the cluster's one node."""
    (path,) = cluster.data_dir.glob("nodes/*/cni/allowlist.conf")
    return path


def left_behind(cluster: Cluster) -> dict[str, list[str]]:
    """What attachments of this cluster have on the host: addresses, records, backups, bridges and their ports."""
    leases = cluster.data_dir / "networks" / "leases"
    files = [p for p in leases.rglob("*") if p.is_file() and p.name not in ("lock", "last_reserved_ip.0")]
    own = json.loads((cluster.data_dir / "containerd/network.json").read_text())["bridge"]
    bridges = [name for name in os.listdir("/sys/class/net") if name.startswith(BRIDGE)]
    ports = [port.name for name in (own, *bridges) for port in Path("/sys/class/net", name, "brif").iterdir()]
    return {"files": sorted(map(str, [*files, *records(cluster)])), "links": sorted([*bridges, *ports])}


def records(cluster: Cluster) -> list[Path]:
    """The node's records of attachments."""
    return list(cluster.data_dir.glob("nodes/*/cni/attachments/*"))


def network_namespaces(cluster: Cluster) -> list[Path]:
    """The files of the sandboxes' network namespaces, from the records."""
    return [Path(json.loads(path.read_text())["netns"]) for path in records(cluster)]


@pytest.fixture
def default_allowlist(kubectl: Cluster) -> Iterator[str]:
    """The allowlist's text, put back after the test."""
    path = "jsonpath={.data.allowlist\\.conf}"
    get = ("get", "configmap", "cni-sysctl-allowlist", "-n", "openshift-multus", "-o", path)
    text = wait_until(lambda: kubectl.kubectl(*get, check=False).stdout, 10, "the allowlist")
    yield text
    patch_allowlist(kubectl, text)


def patch_allowlist(cluster: Cluster, text: str) -> None:
    """Change the ConfigMap and wait for the node's file, which must have it within 2 s."""
    patch = json.dumps({"data": {"allowlist.conf": text}})
    cluster.kubectl("patch", "configmap", "cni-sysctl-allowlist", "-n", "openshift-multus", "--type=merge", "-p", patch)
    wait_until(lambda: allowlist_file(cluster).read_text() == text, 2, "the node's file to follow")


def test_pod_with_two_networks_has_every_value_on_each_and_none_on_eth0(kubectl: Cluster, namespace: str) -> None:
    """Both forms of the annotation's entries, five sysctls each, status and events as Multus has them."""
    other = {**FIVE, "net.ipv6.neigh.IFNAME.retrans_time_ms": "3000"}
    apply(kubectl, namespace, definition("one", f"{BRIDGE}-one", 1, FIVE), definition("two", f"{BRIDGE}-two", 2, other))
    networks = json.dumps([{"name": "one"}, {"name": "two", "namespace": namespace, "interface": "net2"}])
    apply(kubectl, namespace, annotated("both", networks=networks))
    kubectl.wait_phase("both", "Running", namespace=namespace)
    assert read(kubectl, namespace, "both", FIVE, "net1") == FIVE
    assert read(kubectl, namespace, "both", FIVE, "net2") == other
    assert read(kubectl, namespace, "both", FIVE, "eth0") == {
        "net.ipv4.conf.IFNAME.accept_redirects": "1",
        "net.ipv4.conf.IFNAME.send_redirects": "1",
        "net.ipv4.conf.IFNAME.secure_redirects": "1",
        "net.ipv6.conf.IFNAME.accept_source_route": "0",
        "net.ipv6.neigh.IFNAME.retrans_time_ms": "1000",
    }
    status = json.loads(kubectl.get("pod", "both", "-n", namespace)["metadata"]["annotations"][STATUS])
    assert [(entry["name"], entry["interface"], entry.get("default")) for entry in status] == [
        ("podsysctl", "eth0", True), (f"{namespace}/one", "net1", None), (f"{namespace}/two", "net2", None),
    ]  # fmt: skip
    assert status[1]["ips"][0].startswith("10.251.1.")
    assert all(re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", entry["mac"]) and entry["dns"] == {} for entry in status)
    assert wait_message(kubectl, namespace, "both", "AddedInterface: Add net2").endswith(f"/24] from {namespace}/two")
    assert re.search(r"Add eth0 \[\S+/20", wait_message(kubectl, namespace, "both", "AddedInterface: Add eth0"))
    done = kubectl.podsysctl(
        "sysctl", "get", "--pod", f"{namespace}/both", "--interface", "net2", "net.ipv6.neigh.IFNAME.retrans_time_ms"
    )
    assert done.stdout == "net.ipv6.neigh.net2.retrans_time_ms = 3000\n"


def test_short_form_names_networks_and_interfaces(kubectl: Cluster, namespace: str) -> None:
    """`ns/name@interface`, and net1 for an entry without one."""
    apply(kubectl, namespace, definition("one", f"{BRIDGE}-sh", 3, FIVE))
    apply(kubectl, namespace, annotated("short", networks=f"one, {namespace}/one@fast0"))
    kubectl.wait_phase("short", "Running", namespace=namespace)
    assert read(kubectl, namespace, "short", FIVE, "net1") == FIVE
    assert read(kubectl, namespace, "short", FIVE, "fast0") == FIVE


def test_annotation_sets_sysctls_of_the_primary_interface(kubectl: Cluster, namespace: str) -> None:
    """eth0 gets the values and another pod's does not."""
    apply(kubectl, namespace, annotated("own", sysctls=json.dumps({"eth0": FIVE})), pods.pod("other"))
    for name in ("own", "other"):
        kubectl.wait_phase(name, "Running", namespace=namespace)
    assert read(kubectl, namespace, "own", FIVE, "eth0") == FIVE
    assert read(kubectl, namespace, "other", FIVE, "eth0")["net.ipv6.conf.IFNAME.accept_source_route"] == "0"


@pytest.mark.parametrize(
    ("sysctl", "pattern"),
    [
        ({"net.ipv4.conf.IFNAME.arp_ignore": "1"}, r"arp_ignore is not allowed. Only the following sysctls are"),
        ({"kernel.shmmax": "1"}, "invalid net sysctl key"),
        ({"net.ipv4.conf.IFNAME/../../x": "1"}, "empty part"),
        ({"net.core.somaxconn": "9"}, "somaxconn is forbidden on this node.*allowedUnsafeSysctls"),
    ],
    ids=["not-listed", "not-net", "traversal", "bypass"],
)
def test_refused_key_keeps_the_pod_pending_and_says_why(
    kubectl: Cluster, namespace: str, sysctl: dict[str, str], pattern: str
) -> None:
    """The definition's author reads in the pod's events which list to change; no interface is left."""
    name = f"{BRIDGE}-bad"
    apply(kubectl, namespace, definition("bad", name, 4, sysctl), annotated("refused", networks="bad"))
    text = wait_message(kubectl, namespace, "refused", f"(?s)FailedCreatePodSandBox: .*{pattern}")
    explained = kubectl.podsysctl("explain", "pod/refused", "-n", namespace, check=False)
    assert explained.returncode == 3
    assert "interface: " in explained.stdout
    assert "REFUSED" in explained.stdout
    assert "Failed to create pod sandbox: " in text
    assert kubectl.pod_status("refused", namespace)["phase"] == "Pending"
    kubectl.kubectl("delete", "pod", "refused", "-n", namespace, "--wait")
    wait_until(lambda: not Path("/sys/class/net", name).exists(), 10, "the bridge to go")


@pytest.mark.parametrize(
    ("plugin", "pattern"),
    [
        (
            {"type": "bridge", "ipam": {"type": "tuning"}, "prevResult": {"cniVersion": "0.4.0"}},
            "plugin tuning must be an element of plugins, and not run by another one through ipam",
        ),
        ({"type": "tuning", "args": {"cni": {"sysctl": {"net.core.somaxconn": "9"}}}}, "somaxconn is forbidden on"),
        ({"type": "tuning", "SysCtl": {"net.core.somaxconn": "9"}}, 'member "SysCtl" must be spelled "sysctl"'),
        ({"type": "tuning", "datadir": "/etc"}, 'member "datadir" must be spelled "dataDir"'),
    ],
    ids=["through-ipam", "arguments", "letters", "data-dir"],
)
def test_way_round_the_kubelets_list_is_refused_explained_and_checked(
    kubectl: Cluster, namespace: str, tmp_path: Path, default_allowlist: str, plugin: dict[str, Any], pattern: str
) -> None:
    """Also where the tuning plugin's own list would let everything through."""
    patch_allowlist(kubectl, default_allowlist + "^net\\.\n")
    bad = definition("bad", f"{BRIDGE}-by", 9, FIVE)
    config = json.loads(bad["spec"]["config"])
    config["plugins"].append({"sysctl": {"net.core.somaxconn": "9"}, **plugin} if "ipam" in plugin else plugin)
    bad["spec"]["config"] = json.dumps(config)
    apply(kubectl, namespace, bad, annotated("refused", networks="bad"))
    wait_message(kubectl, namespace, "refused", f"(?s)FailedCreatePodSandBox: .*{pattern}")
    explained = kubectl.podsysctl("explain", "pod/refused", "-n", namespace, check=False)
    assert (explained.returncode, "REFUSED" in explained.stdout) == (3, True)
    file = tmp_path / "bad.yaml"
    file.write_text(json.dumps(bad))
    checked = kubectl.podsysctl("check", str(file), check=False)
    assert "[PSC401]" in checked.stdout or "somaxconn is set for the whole pod, which" in checked.stdout


def test_annotation_cannot_set_every_interface_at_once(kubectl: Cluster, namespace: str) -> None:
    """A permission for one interface does not reach `conf.all`."""
    sysctls = json.dumps({"all": {"net.ipv4.conf.IFNAME.rp_filter": "2"}})
    apply(kubectl, namespace, annotated("every", sysctls=sysctls))
    wait_message(kubectl, namespace, "every", "FailedCreatePodSandBox: .*'all' is the name of no interface")
    explained = kubectl.podsysctl("explain", "pod/every", "-n", namespace, check=False)
    assert (explained.returncode, "is the name of no interface" in explained.stdout) == (3, True)


def test_missing_definition_is_told_and_healed(kubectl: Cluster, namespace: str) -> None:
    """NoNetworkFound, and the pod starts once the definition is there."""
    apply(kubectl, namespace, annotated("early", networks="late"))
    expected = rf"NoNetworkFound: cannot find a network-attachment-definition \(late\) in namespace \({namespace}\): "
    wait_message(kubectl, namespace, "early", expected)
    apply(kubectl, namespace, definition("late", f"{BRIDGE}-la", 5, FIVE))
    kubectl.wait_phase("early", "Running", 90, namespace)


def test_change_of_the_allowlist_reaches_new_pods_and_is_told(
    kubectl: Cluster, namespace: str, default_allowlist: str
) -> None:
    """Within 2 s the node's file follows; the event says what was added; a key that was refused is set."""
    assert allowlist_file(kubectl).read_text() == default_allowlist
    assert "^net.ipv4.conf.IFNAME.rp_filter$" in default_allowlist
    patch_allowlist(kubectl, default_allowlist + "^net.ipv4.conf.IFNAME.arp_ignore$\n")
    expected = r"AllowlistChanged: added \^net.ipv4.conf.IFNAME.arp_ignore\$"
    wait_message(kubectl, "openshift-multus", "cni-sysctl-allowlist", expected)
    keys = {"net.ipv4.conf.IFNAME.arp_ignore": "1"}
    apply(kubectl, namespace, annotated("now", sysctls=json.dumps({"eth0": keys})))
    kubectl.wait_phase("now", "Running", namespace=namespace)
    assert read(kubectl, namespace, "now", keys, "eth0") == keys


def test_many_pods_created_and_deleted_leave_nothing(kubectl: Cluster, namespace: str) -> None:
    """Pods with two networks, again and again: no address, veth, namespace, bridge or file is left behind."""
    count, rounds = (int(n) for n in os.environ.get("PODSYSCTL_NETWORK_PODS", "6,2").split(","))
    before = left_behind(kubectl)
    apply(kubectl, namespace, definition("one", f"{BRIDGE}-m1", 6, FIVE), definition("two", f"{BRIDGE}-m2", 7, FIVE))
    for _ in range(rounds):
        names = [f"many-{i}" for i in range(count)]
        apply(kubectl, namespace, *(annotated(name, networks="one,two") for name in names))
        kubectl.kubectl(
            "wait", "-n", namespace, "--for=condition=Ready", "--timeout=240s", *(f"pod/{name}" for name in names),
            timeout_s=300,
        )  # fmt: skip
        assert len(list((kubectl.data_dir / "networks/leases/one").glob("10.*"))) == count
        namespaces = network_namespaces(kubectl)
        assert len(namespaces) == count
        assert all(path.exists() for path in namespaces)
        kubectl.kubectl("delete", "pod", "-n", namespace, "--wait", *names, timeout_s=300)
        wait_until(lambda: not records(kubectl), 30, "the records to go")
        wait_until(lambda found=namespaces: not any(p.exists() for p in found), 30, "the namespaces to go")  # type: ignore[misc]
    wait_until(lambda: left_behind(kubectl) == before, 30, f"nothing to be left: {left_behind(kubectl)}")


def test_pod_that_outlives_the_program_is_detached_after_it(kubectl: Cluster, namespace: str) -> None:
    """A killed program's attachments are found and undone by the next one."""
    before = left_behind(kubectl)
    apply(kubectl, namespace, definition("one", f"{BRIDGE}-cr", 8, FIVE), annotated("survivor", networks="one"))
    kubectl.wait_phase("survivor", "Running", namespace=namespace)
    kubectl.kill()
    kubectl.start()
    probe = ("exec", "-n", namespace, "survivor", "--", "true")
    wait_until(lambda: kubectl.kubectl(*probe, check=False).returncode == 0, 30, "the node's endpoint to be back")
    assert read(kubectl, namespace, "survivor", FIVE, "net1") == FIVE
    kubectl.kubectl("delete", "pod", "survivor", "-n", namespace, "--wait")
    wait_until(lambda: left_behind(kubectl) == before, 40, "nothing to be left")


SLOW = """#!/bin/sh
input=$(cat)
if [ "$CNI_COMMAND" = ADD ] && mkdir {marker} 2>/dev/null; then sleep 20; exit 1; fi
[ "$CNI_COMMAND" != ADD ] || printf '%s' "$input" | sed 's/.*"prevResult": *//; s/}}$//'
"""


def test_program_killed_between_sandbox_and_networks_makes_the_sandbox_anew(
    kubectl: Cluster, namespace: str, tmp_path: Path
) -> None:
    """A pod that was caught half-made starts with all its networks, and nothing of the first try stays."""
    before = left_behind(kubectl)
    program, marker = kubectl.data_dir / "networks/bin/slow", tmp_path / "began"
    program.write_text(SLOW.format(marker=marker))
    program.chmod(0o755)
    late = definition("late", f"{BRIDGE}-hm", 10, FIVE)
    config = json.loads(late["spec"]["config"])
    config["plugins"].insert(1, {"type": "slow"})
    late["spec"]["config"] = json.dumps(config)
    apply(kubectl, namespace, late, annotated("caught", networks="late"))
    wait_until(marker.exists, 30, "the slow plugin to be called")
    kubectl.kill()
    kubectl.start()
    kubectl.wait_phase("caught", "Running", namespace=namespace)
    assert read(kubectl, namespace, "caught", FIVE, "net1") == FIVE
    assert len(list((kubectl.data_dir / "networks/leases/late").glob("10.*"))) == 1
    kubectl.kubectl("delete", "pod", "caught", "-n", namespace, "--wait")
    wait_until(lambda: left_behind(kubectl) == before, 40, "nothing to be left")
    program.unlink()
