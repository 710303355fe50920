"""The status of a pod in the kubelet's words, at each point of its life."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podsysctl.node import conditions, container_status, status
from podsysctl.node.container_status import StartFailure
from podsysctl.node.runtime_state import EXITED, UNKNOWN, PodRuntime
from tests.node.builders import NOW, Results, container, pod, record, runtime


def _compute(subject: dict[str, Any], state: PodRuntime, **fields: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "previous": subject["status"],
        "readiness": Results(),
        "runtime_name": "containerd",
        "host_ips": ("192.0.2.10",),
        "now": NOW,
        **fields,
    }
    return status.compute(status.Inputs(pod=subject, runtime=state, **inputs))


def _condition(result: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in result["conditions"] if c["type"] == kind)
    return found


def test_rejected_pod_has_exactly_the_measured_fields() -> None:
    """A refused pod is Failed with reason and message, without conditions, addresses or containers."""
    subject = pod()
    subject["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
    text = 'forbidden sysctl: "net.core.somaxconn" not allowlisted'
    assert status.rejected(subject, "SysctlForbidden", text, NOW) == {
        "message": f"Pod was rejected: {text}",
        "observedGeneration": 1,
        "phase": "Failed",
        "qosClass": "BestEffort",
        "reason": "SysctlForbidden",
        "startTime": NOW,
    }


def test_rejected_pod_keeps_conditions_of_others() -> None:
    """Conditions that are not the node's survive a refusal."""
    subject = pod()
    subject["status"]["conditions"] = [{"type": "example.com/x", "status": "True"}]
    assert status.rejected(subject, "R", "m", NOW)["conditions"] == [{"type": "example.com/x", "status": "True"}]


def test_status_before_sandbox_is_pending_and_creating() -> None:
    """Before its sandbox is there, a pod is Pending and its container ContainerCreating."""
    result = _compute(pod(), PodRuntime("uid-1"))
    assert result["phase"] == "Pending"
    assert result["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert result["containerStatuses"][0]["started"] is False
    assert [(c["type"], c["status"]) for c in result["conditions"]] == [
        ("PodReadyToStartContainers", "False"),
        ("Initialized", "True"),
        ("Ready", "False"),
        ("ContainersReady", "False"),
        ("PodScheduled", "True"),
    ]
    ready = _condition(result, "Ready")
    assert (ready["reason"], ready["message"]) == ("ContainersNotReady", "containers with unready status: [c]")
    assert result["hostIP"] == "192.0.2.10"
    assert "podIP" not in result


def test_status_running_container_is_ready_with_addresses() -> None:
    """A running container without probes makes the pod Ready; addresses come from the sandbox."""
    result = _compute(pod(), runtime(record()))
    assert result["phase"] == "Running"
    assert (result["podIP"], result["podIPs"]) == ("10.0.0.2", [{"ip": "10.0.0.2"}])
    assert _condition(result, "Ready")["status"] == "True"
    assert result["containerStatuses"] == [
        {
            "name": "c",
            "state": {"running": {"startedAt": NOW}},
            "lastState": {},
            "ready": True,
            "restartCount": 0,
            "image": "localhost/podsysctl/toolbox:latest",
            "imageID": "sha256:abc",
            "containerID": "containerd://c-0",
            "resources": {},
            "started": True,
        }
    ]


def test_status_host_network_pod_has_node_address() -> None:
    """A pod in the node's network shows the node's address as its own."""
    result = _compute(pod(hostNetwork=True), runtime(record(), ip=""))
    assert result["podIP"] == "192.0.2.10"


def test_status_crash_loop_is_waiting_with_last_state() -> None:
    """A container in back-off is Waiting CrashLoopBackOff, its end moves to lastState, the pod stays Running."""
    failure = {"c": StartFailure("CrashLoopBackOff", "back-off 10s restarting failed container=c pod=p_default(uid-1)")}
    result = _compute(pod(), runtime(record(state=EXITED, exit_code=1)), failures=failure)
    entry = result["containerStatuses"][0]
    assert entry["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert entry["lastState"]["terminated"]["exitCode"] == 1
    assert entry["lastState"]["terminated"]["reason"] == "Error"
    assert result["phase"] == "Running"


def test_status_restarted_container_counts_and_remembers() -> None:
    """After a restart the count is the attempt, and lastState is the run before."""
    result = _compute(pod(), runtime(record(number=1), record(state=EXITED, exit_code=2)))
    entry = result["containerStatuses"][0]
    assert entry["restartCount"] == 1
    assert entry["lastState"]["terminated"]["exitCode"] == 2


def test_status_never_policy_ends_succeeded_or_failed() -> None:
    """With restartPolicy Never the exit codes decide between Succeeded and Failed."""
    good = _compute(pod(restartPolicy="Never"), runtime(record(state=EXITED)))
    assert good["phase"] == "Succeeded"
    assert _condition(good, "Ready")["reason"] == "PodCompleted"
    assert _condition(good, "Initialized")["reason"] == "PodCompleted"
    bad = _compute(pod(restartPolicy="Never"), runtime(record(state=EXITED, exit_code=1)))
    assert bad["phase"] == "Failed"
    assert _condition(bad, "ContainersReady")["reason"] == "PodFailed"


def test_status_terminal_phase_waits_for_the_stop() -> None:
    """While containers may still run, the phase of before is shown."""
    computed = {"phase": "Succeeded", "containerStatuses": []}
    assert status.not_yet_terminal(computed, {"phase": "Running"})["phase"] == "Running"


def test_status_terminal_phase_never_goes_back() -> None:
    """A pod that was Failed stays Failed whatever the runtime says."""
    subject = pod()
    subject["status"]["phase"] = "Failed"
    assert _compute(subject, runtime(record()))["phase"] == "Failed"


def test_status_stopped_pod_without_end_is_failed() -> None:
    """A deleted pod whose containers' ends nobody saw is Failed, with exit code 137."""
    subject = pod()
    subject["metadata"]["deletionTimestamp"] = NOW
    subject["status"] |= {"containerStatuses": [{"name": "c", "state": {"running": {"startedAt": NOW}}}]}
    result = _compute(subject, PodRuntime("uid-1"), stopped=True)
    assert result["phase"] == "Failed"
    ended = result["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "ContainerStatusUnknown")


def test_status_eviction_sets_reason_and_message() -> None:
    """A pod that the node ends is Failed with the node's reason."""
    eviction = status.Eviction("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
    result = _compute(pod(), runtime(record()), eviction=eviction)
    assert (result["phase"], result["reason"]) == ("Failed", "DeadlineExceeded")


def test_status_init_containers_show_progress() -> None:
    """While init containers run, regular ones wait in PodInitializing and Initialized names those to come."""
    one, two = container("one"), container("two")
    result = _compute(pod(initContainers=[one, two]), runtime(record(one, EXITED), record(two, number=1)))
    assert result["phase"] == "Pending"
    assert result["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    initialized = _condition(result, "Initialized")
    assert initialized["message"] == "containers with incomplete status: [two]"
    assert [s["ready"] for s in result["initContainerStatuses"]] == [True, False]


def test_status_condition_keeps_transition_time_until_it_changes() -> None:
    """lastTransitionTime moves only with the status."""
    subject = pod()
    subject["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "lastTransitionTime": "2025-01-01T00:00:00Z"},
        {"type": "Initialized", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"},
    ]
    result = _compute(subject, runtime(record()))
    assert _condition(result, "Ready")["lastTransitionTime"] == NOW
    assert _condition(result, "Initialized")["lastTransitionTime"] == "2025-01-01T00:00:00Z"


def test_status_readiness_gate_missing_keeps_pod_unready() -> None:
    """A readiness gate without its condition keeps the pod from being Ready, not its containers."""
    result = _compute(pod(readinessGates=[{"conditionType": "example.com/lb"}]), runtime(record()))
    ready = _condition(result, "Ready")
    assert ready["reason"] == "ReadinessGatesNotReady"
    assert (
        ready["message"] == 'corresponding condition of pod readiness gate "example.com/lb" does not exist.'
    )
    assert _condition(result, "ContainersReady")["status"] == "True"


def test_status_verified_condition_is_added_last() -> None:
    """The read-back's condition stands after the kubelet's own."""
    verified = {"type": "SysctlsVerified", "status": "False", "reason": "ValuesDiffer", "message": "x"}
    result = _compute(pod(), runtime(record()), verified=verified)
    assert result["conditions"][-1]["type"] == "SysctlsVerified"
    assert result["conditions"][-1]["message"] == "x"


def test_container_state_unknown_after_running_is_terminated() -> None:
    """A container that ran and of which the runtime knows nothing any more has ended with 137."""
    old = [{"name": "c", "state": {"running": {"startedAt": NOW}}, "restartCount": 2}]
    subject = pod(restartPolicy="Never")
    subject["metadata"]["deletionTimestamp"] = NOW
    built = container_status.build(
        subject, runtime(record(state=UNKNOWN)), subject["spec"]["containers"], old, {}, "containerd"
    )
    assert built[0]["state"]["terminated"]["exitCode"] == 137
    assert built[0]["restartCount"] == 3


def test_container_that_never_started_began_in_1970() -> None:
    """The runtime's 0 is a time to the kubelet; null would be year 1 in `kubectl describe`."""
    ended = replace(record(state=EXITED, exit_code=128), started_ns=0, reason="StartError")
    built = container_status.build(
        pod(restartPolicy="Never"), runtime(ended), pod()["spec"]["containers"], [], {}, "containerd"
    )
    assert built[0]["state"]["terminated"]["startedAt"] == "1970-01-01T00:00:00Z"


def test_conditions_owned_are_those_built() -> None:
    """What is built is what is owned: nothing of ours would be kept as foreign."""
    verified = {"type": "SysctlsVerified"}
    built = conditions.build(pod(), [], "Pending", sandbox_ready=False, foreign=(), verified=verified)
    assert {c["type"] for c in built} == conditions.OWNED


def test_status_of_an_adopted_container_stays_ready_until_probed() -> None:
    """After a restart of the agent a pod stays Ready until its probe says otherwise; a new container does not."""
    spec = container(readinessProbe={"exec": {"command": ["true"]}})
    old = {"name": "c", "containerID": "containerd://c-0", "ready": True, "started": True, "state": {"running": {}}}
    subject = pod(spec)
    subject["status"]["containerStatuses"] = [old]
    assert _compute(subject, runtime(record(spec)))["containerStatuses"][0]["ready"] is True
    assert _compute(subject, runtime(record(spec, number=1)))["containerStatuses"][0]["ready"] is False


def test_volume_mounts_say_what_is_and_not_what_was_asked_for() -> None:
    """recursiveReadOnly is Enabled only where the runtime can do it; a mount that is not read-only says nothing."""
    modes = ({}, {"readOnly": True}, *({"readOnly": True, "recursiveReadOnly": m} for m in ("IfPossible", "Enabled")))
    mounts = [{"name": "v", "mountPath": f"/{index}", **mode} for index, mode in enumerate(modes)]
    spec = container(volumeMounts=mounts)

    def said(recursive_read_only: bool) -> list[str | None]:
        got = _compute(pod(spec), runtime(record(spec)), recursive_read_only=recursive_read_only)
        return [mount.get("recursiveReadOnly") for mount in got["containerStatuses"][0]["volumeMounts"]]

    assert said(True) == [None, "Disabled", "Enabled", "Enabled"]
    assert said(False) == [None, "Disabled", "Disabled", "Disabled"]
