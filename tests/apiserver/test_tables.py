"""What `kubectl get` shows: the computed cells of each kind."""

# ruff: noqa: E501  (one case a line)

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podsysctl.apiserver.tables import core, custom, others, pods, workloads
from podsysctl.apiserver.tables.base import Printer, age

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CREATED = "2026-01-01T11:55:00Z"


def row(printer: Printer, obj: dict[str, Any]) -> dict[str, Any]:
    """Cells by lower-case column name."""
    obj.setdefault("metadata", {}).setdefault("name", "x")
    obj["metadata"].setdefault("creationTimestamp", CREATED)
    cells = printer.cells(obj, NOW)
    assert len(cells) == len(printer.columns)
    return {column.name.lower(): cell for column, cell in zip(printer.columns, cells, strict=True)}


def container(
    name: str = "c", *, ready: bool = False, restarts: int = 0, last: str = "", **state: Any
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "ready": ready, "restartCount": restarts, "state": state}
    if last:
        made["lastState"] = {"terminated": {"finishedAt": last, "exitCode": 1}}
    return made


def pod(
    *statuses: dict[str, Any], init: tuple[dict[str, Any], ...] = (), inits: Any = None, **state: Any
) -> dict[str, Any]:
    """A pod with these container statuses; the spec has one container for each, one at least."""
    spec: dict[str, Any] = {"containers": [{"name": s["name"]} for s in statuses] or [{"name": "c"}]}
    if init or inits:
        spec["initContainers"] = inits or [{"name": s["name"]} for s in init]
    return {
        "spec": spec,
        "status": {
            "phase": "Running",
            "containerStatuses": list(statuses),
            "initContainerStatuses": list(init),
            **state,
        },
    }


RUNNING = {"running": {"startedAt": CREATED}}
READY = [{"type": "Ready", "status": "True"}]

STATUS_CASES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("running", pod(container(ready=True, **RUNNING)), "1/1", "Running", "0"),
    ("new", pod(phase="Pending"), "0/1", "Pending", "0"),
    ("creating", pod(container(waiting={"reason": "ContainerCreating"}), phase="Pending"), "0/1", "ContainerCreating", "0"),
    ("sysctl", pod(phase="Failed", reason="SysctlForbidden"), "0/1", "SysctlForbidden", "0"),
    ("crash", pod(container(restarts=4, last="2026-01-01T11:59:00Z", waiting={"reason": "CrashLoopBackOff"})),
     "0/1", "CrashLoopBackOff", "4 (60s ago)"),
    ("done", pod(container(terminated={"exitCode": 0, "reason": "Completed"}), phase="Succeeded"), "0/1", "Completed", "0"),
    ("error", pod(container(terminated={"exitCode": 3, "reason": "Error"}), phase="Failed"), "0/1", "Error", "0"),
    ("code", pod(container(terminated={"exitCode": 3})), "0/1", "ExitCode:3", "0"),
    ("signal", pod(container(terminated={"exitCode": 137, "signal": 9})), "0/1", "Signal:9", "0"),
    ("one done, one running", pod(container("a", terminated={"exitCode": 0, "reason": "Completed"}),
                                  container("b", ready=True, **RUNNING), conditions=READY), "1/2", "Running", "0"),
    ("one done, one running, not ready", pod(container("a", terminated={"exitCode": 0, "reason": "Completed"}),
                                             container("b", ready=True, **RUNNING)), "1/2", "NotReady", "0"),
    ("one done, one failed", pod(container("a", terminated={"exitCode": 0, "reason": "Completed"}),
                                 container("b", terminated={"exitCode": 2, "reason": "Error"})), "0/2", "Error", "0"),
    ("init running", pod(init=(container("i", **RUNNING),), phase="Pending"), "0/1", "Init:0/1", "0"),
    ("second init", pod(init=(container("i", terminated={"exitCode": 0}), container("j", waiting={"reason": "PodInitializing"})),
                        phase="Pending"), "0/1", "Init:1/2", "0"),
    ("init waiting", pod(init=(container("i", waiting={"reason": "CrashLoopBackOff"}, restarts=2),), phase="Pending"),
     "0/1", "Init:CrashLoopBackOff", "2"),
    ("init failed", pod(init=(container("i", terminated={"exitCode": 1, "reason": "Error"}),), phase="Pending"),
     "0/1", "Init:Error", "0"),
    ("init code", pod(init=(container("i", terminated={"exitCode": 5}),), phase="Pending"), "0/1", "Init:ExitCode:5", "0"),
    ("init signal", pod(init=(container("i", terminated={"exitCode": 5, "signal": 9}),), phase="Pending"),
     "0/1", "Init:Signal:9", "0"),
    ("sidecar", pod(container(ready=True, **RUNNING), inits=[{"name": "s", "restartPolicy": "Always"}],
                    init=({**container("s", ready=True, restarts=1, **RUNNING), "started": True},)), "2/2", "Running", "1"),
    ("gated", pod(phase="Pending", conditions=[{"type": "PodScheduled", "reason": "SchedulingGated", "status": "False"}]),
     "0/1", "SchedulingGated", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "ready", "status", "restarts"), [case[1:] for case in STATUS_CASES],
                         ids=[case[0] for case in STATUS_CASES])  # fmt: skip
def test_pod_cells_follow_its_containers(obj: dict[str, Any], ready: str, status: str, restarts: str) -> None:
    """READY, STATUS and RESTARTS by upstream's order of precedence."""
    cells = row(pods.PRINTER, obj)
    assert (cells["ready"], cells["status"], cells["restarts"]) == (ready, status, restarts)


@pytest.mark.parametrize(("phase", "reason", "shown"), [
    ("Running", "", "Terminating"), ("Running", "NodeLost", "Unknown"), ("Failed", "SysctlForbidden", "SysctlForbidden"),
])  # fmt: skip
def test_pod_that_is_being_deleted_says_so(phase: str, reason: str, shown: str) -> None:
    """Unless it has ended already."""
    obj = pod(phase=phase, reason=reason)
    obj["metadata"] = {"name": "p", "deletionTimestamp": CREATED}
    assert row(pods.PRINTER, obj)["status"] == shown


def test_pod_wide_cells() -> None:
    """Address, node, readiness gates."""
    conditions = [{"type": "a", "status": "True"}, {"type": "b", "status": "False"}]
    obj = pod(podIPs=[{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], conditions=conditions)
    obj["spec"].update(nodeName="n1", readinessGates=[{"conditionType": "a"}, {"conditionType": "b"}])
    cells = row(pods.PRINTER, obj)
    assert [cells[key] for key in ("ip", "node", "nominated node", "readiness gates")] == [
        "10.0.0.1",
        "n1",
        "<none>",
        "1/2",
    ]


def test_pod_that_ended_has_a_row_condition() -> None:
    """Clients grey it out."""
    assert pods.PRINTER.conditions(pod(phase="Failed"))[0]["message"] == "The pod failed."
    assert pods.PRINTER.conditions(pod(phase="Succeeded"))[0]["reason"] == "Succeeded"
    assert pods.PRINTER.conditions(pod()) == []


def test_node_cells() -> None:
    """Ready, cordoned, roles sorted, addresses, kernel with its architecture."""
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/infra": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.2"}],
            "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6.1", "architecture": "amd64", "osImage": "Debian"},
        },
    }
    cells = row(core.NODE, node)
    assert (cells["status"], cells["roles"], cells["version"]) == ("Ready,SchedulingDisabled", "infra,worker", "v1")
    assert (cells["internal-ip"], cells["external-ip"]) == ("10.0.0.2", "<none>")
    assert (cells["kernel-version"], cells["container-runtime"]) == ("6.1 (amd64)", "<unknown>")
    assert row(core.NODE, {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})["status"] == "NotReady"
    assert row(core.NODE, {})["status"] == "Unknown"


def test_event_cells() -> None:
    """Old and new events alike; a series counts and dates itself."""
    old = {
        "firstTimestamp": "2026-01-01T11:00:00Z", "lastTimestamp": "2026-01-01T11:59:30Z", "count": 4, "type": "Warning",
        "reason": "Failed", "message": " text \n", "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"},
        "source": {"component": "kubelet", "host": "n1"},
    }  # fmt: skip
    cells = row(core.EVENT, old)
    assert list(cells.values())[:7] == ["30s", "Warning", "Failed", "pod/p", "spec", "kubelet, n1", "text"]
    assert (cells["first seen"], cells["count"]) == ("60m", 4)
    new = {
        "eventTime": "2026-01-01T11:58:00.000000Z", "reportingComponent": "default-scheduler",
        "series": {"count": 7, "lastObservedTime": "2026-01-01T11:59:59.000000Z"}, "involvedObject": {"kind": "Node"},
    }  # fmt: skip
    cells = row(core.EVENT, new)
    assert (cells["last seen"], cells["first seen"], cells["count"], cells["object"]) == ("1s", "2m", 7, "node")
    assert cells["source"] == "default-scheduler"


@pytest.mark.parametrize(
    ("printer", "obj", "expected"),
    [
        (core.CONFIG_MAP, {"data": {"a": "1"}, "binaryData": {"b": "", "c": ""}}, {"data": 3, "age": "5m"}),
        (core.SECRET, {"type": "Opaque", "data": {"a": ""}}, {"type": "Opaque", "data": 1}),
        (core.NAMESPACE, {"status": {"phase": "Active"}}, {"status": "Active"}),
        (core.SERVICE, {"spec": {"type": "ClusterIP", "clusterIPs": ["10.0.0.1"],
                                 "ports": [{"port": 80, "protocol": "TCP"}, {"port": 1, "nodePort": 2, "protocol": "UDP"}],
                                 "selector": {"b": "2", "a": "1"}}},
         {"cluster-ip": "10.0.0.1", "external-ip": "<none>", "port(s)": "80/TCP,1:2/UDP", "selector": "a=1,b=2"}),
        (workloads.DEPLOYMENT, {"spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}},
                                         "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
                                "status": {"readyReplicas": 1, "updatedReplicas": 2}},
         {"ready": "1/3", "up-to-date": 2, "available": 0, "containers": "c", "images": "i", "selector": "a=b"}),
        (workloads.REPLICA_SET, {"spec": {"replicas": 2}, "status": {"replicas": 1}},
         {"desired": 2, "current": 1, "ready": 0}),
        (workloads.DAEMON_SET, {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}},
                                "status": {"desiredNumberScheduled": 2}}, {"desired": 2, "node selector": "a=b"}),
        (workloads.STATEFUL_SET, {"spec": {"replicas": 2}}, {"ready": "0/2"}),
        (workloads.JOB, {"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": "2026-01-01T11:59:00Z"}},
         {"status": "Running", "completions": "1/2", "duration": "60s"}),
        (workloads.JOB, {"spec": {"parallelism": 3}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}},
         {"status": "Failed", "completions": "0/1 of 3", "duration": ""}),
        (workloads.CRON_JOB, {"spec": {"schedule": "* * * * *", "suspend": False}, "status": {"active": [{}]}},
         {"suspend": "False", "active": 1, "last schedule": "<none>", "timezone": "<none>"}),
        (others.BUDGET, {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}},
         {"min available": "50%", "max unavailable": "N/A", "allowed disruptions": 1}),
        (others.LEASE, {"spec": {"holderIdentity": "n1"}}, {"holder": "n1"}),
        (others.PRIORITY_CLASS, {"value": 5, "preemptionPolicy": "Never"},
         {"value": 5, "global-default": False, "preemptionpolicy": "Never"}),
        (others.BINDING, {"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [
            {"kind": "User", "name": "a"}, {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]},
         {"role": "ClusterRole/view", "users": "a", "groups": "g", "serviceaccounts": "n/s"}),
    ],
)  # fmt: skip
def test_cells_of_other_kinds(printer: Printer, obj: dict[str, Any], expected: dict[str, Any]) -> None:
    """One case for each printer."""
    cells = row(printer, obj)
    assert {key: cells[key] for key in expected} == expected


def test_custom_cells_have_their_columns_type() -> None:
    """Another type leaves the cell empty; text shows anything."""
    columns = [
        {"name": "I", "type": "integer", "jsonPath": ".spec.i"},
        {"name": "S", "type": "string", "jsonPath": ".spec.i"},
        {"name": "B", "type": "boolean", "jsonPath": ".spec.i"},
        {"name": "D", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "N", "type": "number", "jsonPath": ".spec.none"},
    ]
    cells = row(custom.printer(columns), {"spec": {"i": 7}})
    assert list(cells.values()) == ["x", 7, "7", None, "5m", None]
    assert list(row(custom.printer(None), {})) == ["name", "age"]


@pytest.mark.parametrize("stamp", [None, "", 5, "yesterday"])
def test_age_of_nonsense_is_no_error(stamp: Any) -> None:
    """A table never fails on a stored object."""
    assert age(stamp, NOW) in ("<unknown>", "<invalid>")


def test_every_printer_survives_an_empty_object() -> None:
    """Fields may be missing in any object."""
    for module in (core, workloads, others, pods):
        for value in vars(module).values():
            if isinstance(value, Printer):
                assert len(value.cells({}, NOW)) == len(value.columns)
                value.conditions({})
