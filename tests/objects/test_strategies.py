"""What the server sets and keeps in new and changed objects."""

import copy
from typing import Any

import pytest

from podsysctl.objects import defaults, kinds, strategy

POD = kinds.builtin_by_kind("v1", "Pod")
META = {"name": "x", "namespace": "d", "uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z"}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SELECTOR = {"matchLabels": {"a": "b"}}


def created(api_version: str, kind_name: str, **fields: Any) -> dict[str, Any]:
    """A new object, made ready for the store."""
    kind = kinds.builtin_by_kind(api_version, kind_name)
    obj = {"metadata": dict(META), **copy.deepcopy(fields)}
    if not kind.namespaced:
        del obj["metadata"]["namespace"]
    defaults.apply_defaults(kind, obj)
    strategy.before_create(kind, obj, str)
    return obj


def updated(api_version: str, kind_name: str, old: dict[str, Any], subresource: str = "", **fields: Any) -> Any:
    """The object after an update that sets these fields."""
    kind = kinds.builtin_by_kind(api_version, kind_name)
    stored = copy.deepcopy(old)
    stored["metadata"]["resourceVersion"] = "1"
    new = {**copy.deepcopy(stored), **copy.deepcopy(fields)}
    strategy.before_update(kind, new, stored, subresource, str)
    return new


def test_new_pod_is_pending() -> None:
    """Whatever status the client sent."""
    pod = created("v1", "Pod", spec=TEMPLATE["spec"], status={"phase": "Running"})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_resources_decide_the_qos_class(resources: dict[str, Any], qos: str) -> None:
    """Guaranteed only when limits and requests are all there and equal."""
    container = {"name": "c", "image": "i", "resources": resources}
    assert created("v1", "Pod", spec={"containers": [container]})["status"]["qosClass"] == qos


def test_job_selects_its_own_pods() -> None:
    """Selector and labels are made from name and uid."""
    template = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
    job = created("batch/v1", "Job", spec={"template": template})
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "job-name": "x",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u-1",
        "batch.kubernetes.io/controller-uid": "u-1",
    }


def test_spec_change_counts_and_status_stays() -> None:
    """A generation more for a changed specification, none for an equal one; status only by its own path."""
    old = created("apps/v1", "Deployment", spec={"selector": SELECTOR, "template": TEMPLATE})
    assert updated("apps/v1", "Deployment", old)["metadata"]["generation"] == 1
    new = updated("apps/v1", "Deployment", old, spec={**old["spec"], "replicas": 5}, status={"replicas": 9})
    assert new["metadata"]["generation"] == 2
    assert new["status"] == old["status"]
    scaled = updated(
        "apps/v1", "Deployment", old, "status", spec={**old["spec"], "replicas": 5}, status={"replicas": 9}
    )
    assert scaled["spec"] == old["spec"]
    assert scaled["status"] == {"replicas": 9}


def test_daemon_set_counts_its_templates() -> None:
    """The old annotation says how often the template changed."""
    key = "deprecated.daemonset.template.generation"
    old = created("apps/v1", "DaemonSet", spec={"selector": SELECTOR, "template": TEMPLATE})
    assert old["metadata"]["annotations"] == {key: "1"}
    spec = copy.deepcopy(old["spec"])
    spec["template"]["spec"]["containers"][0]["image"] = "other"
    assert updated("apps/v1", "DaemonSet", old, spec=spec)["metadata"]["annotations"] == {key: "2"}


def test_new_namespace_is_active_held_and_labelled() -> None:
    """Its finalizers change only through finalize."""
    old = created("v1", "Namespace")
    assert old["status"] == {"phase": "Active"}
    assert old["spec"] == {"finalizers": ["kubernetes"]}
    assert old["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    assert updated("v1", "Namespace", old, spec={})["spec"] == old["spec"]
    assert updated("v1", "Namespace", old, "finalize", spec={})["spec"] == {}


def test_plain_secret_texts_become_data() -> None:
    """They win over data of the same key."""
    secret = created("v1", "Secret", data={"a": "AAAA"}, stringData={"a": "x", "b": "y"})
    assert secret["data"] == {"a": "eA==", "b": "eQ=="}
    assert "stringData" not in secret


def test_gated_pod_says_why_it_waits() -> None:
    """A condition tells that gates are closed."""
    pod = created("v1", "Pod", spec={**TEMPLATE["spec"], "schedulingGates": [{"name": "g"}]})
    [condition] = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")


def test_node_keeps_its_status_on_create_only() -> None:
    """A kubelet registers with its status; later updates of the node leave it alone."""
    old = created("v1", "Node", status={"capacity": {"cpu": "2"}})
    assert old["status"]["allocatable"] == {"cpu": "2"}
    assert updated("v1", "Node", old, status={})["status"] == old["status"]


def test_pod_is_stored_as_it_is_read_back_from_upstream() -> None:
    """Annotations that are dropped leave nothing behind, and a projected volume without sources has none."""
    pod = {
        "metadata": {"name": "p", "annotations": {"pod.alpha.kubernetes.io/init-containers": "x"}},
        "spec": {"containers": [], "volumes": [{"name": "v", "projected": {"sources": []}}]},
    }
    defaults.apply_defaults(POD, pod)
    assert "annotations" not in pod["metadata"]
    assert pod["spec"]["volumes"] == [{"name": "v", "projected": {"sources": None, "defaultMode": 420}}]


def test_preferred_node_of_an_impossible_label_is_warned_of() -> None:
    """The value stands in the warning."""
    wanted = {"key": "k", "operator": "In", "values": ["bad value!"]}
    term = {"weight": 1, "preference": {"matchExpressions": [wanted]}}
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [], "affinity": affinity}}
    [warning] = strategy.create_warnings(POD, pod)
    where = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference"
    assert warning.startswith(f"{where}.matchExpressions[0].values[0]: bad value! is invalid, a valid label must be ")
