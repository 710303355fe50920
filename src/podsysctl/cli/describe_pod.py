"""`describe pod` (kubectl pkg/describe/describe.go, v1.36)."""

from __future__ import annotations

from podsysctl.cli import describe_containers as containers
from podsysctl.cli.ages import since
from podsysctl.cli.describe_text import Writer, controller, moment
from podsysctl.client.rest import Object


def text(pod: Object, events: list[Object] | None) -> str:
    """The description of a pod."""
    w = Writer()
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    _head(w, pod, spec, status)
    if spec.get("resources"):
        w.line(0, "Resources:")
        containers.resources(w, spec["resources"], 1)
    if spec.get("initContainers"):
        containers.describe(w, "Init Containers", spec["initContainers"], status.get("initContainerStatuses"), pod)
    containers.describe(w, "Containers", spec.get("containers") or [], status.get("containerStatuses"), pod)
    if spec.get("ephemeralContainers"):
        statuses = status.get("ephemeralContainerStatuses")
        containers.describe(w, "Ephemeral Containers", spec["ephemeralContainers"], statuses, pod)
    conditions = status.get("conditions") or []
    if spec.get("readinessGates"):
        w.line(0, "Readiness Gates:")
        w.line(1, "Type\tStatus")
        known = {c["type"]: c.get("status") for c in conditions}
        for gate in spec["readinessGates"]:
            w.line(1, f"{gate['conditionType']} \t{known.get(gate['conditionType'], '<none>')} ")
    if conditions:
        w.line(0, "Conditions:")
        w.line(1, "Type\tStatus")
        for condition in conditions:
            w.line(1, f"{condition['type']} \t{condition.get('status')} ")
    containers.volumes(w, spec.get("volumes") or [])
    w.line(0, f"QoS Class:\t{status.get('qosClass') or ''}")
    w.labels("Node-Selectors", spec.get("nodeSelector"))
    w.tolerations(spec.get("tolerations"))
    w.events(events)
    return w.text()


def _head(w: Writer, pod: Object, spec: Object, status: Object) -> None:
    metadata = pod["metadata"]
    w.line(0, f"Name:\t{metadata['name']}")
    w.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    if spec.get("priority") is not None:
        w.line(0, f"Priority:\t{spec['priority']}")
    for title, key in (
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ):
        if spec.get(key):
            w.line(0, f"{title}:\t{spec[key]}")
    node = spec.get("nodeName")
    w.line(0, f"Node:\t{node}/{status.get('hostIP') or ''}" if node else "Node:\t<none>")
    if status.get("startTime"):
        w.line(0, f"Start Time:\t{moment(status['startTime'])}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))
    phase = status.get("phase") or ""
    if metadata.get("deletionTimestamp") and phase not in ("Failed", "Succeeded"):
        w.line(0, f"Status:\tTerminating (lasts {since(metadata['deletionTimestamp'])})")
        w.line(0, f"Termination Grace Period:\t{metadata.get('deletionGracePeriodSeconds', 0)}s")
    else:
        w.line(0, f"Status:\t{phase}")
    for title, key in (("Reason", "reason"), ("Message", "message")):
        if status.get(key):
            w.line(0, f"{title}:\t{status[key]}")
    profile = (spec.get("securityContext") or {}).get("seccompProfile")
    if profile:
        w.line(0, f"SeccompProfile:\t{profile.get('type')}")
        if profile.get("type") == "Localhost":
            w.line(0, f"LocalhostProfile:\t{profile.get('localhostProfile')}")
    w.line(0, f"IP:\t{status.get('podIP') or ''}")
    addresses = status.get("podIPs") or []
    w.line(0, "IPs:" if addresses else "IPs:\t<none>")
    for address in addresses:
        w.line(1, f"IP:\t{address.get('ip')}")
    if controller(pod):
        w.line(0, f"Controlled By:\t{controller(pod)}")
    if status.get("nominatedNodeName"):
        w.line(0, f"NominatedNodeName:\t{status['nominatedNodeName']}")
