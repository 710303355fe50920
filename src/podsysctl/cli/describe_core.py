"""`describe` of namespaces, ConfigMaps, Secrets, ServiceAccounts, Deployments and ReplicaSets, and of any other
kind field by field (kubectl pkg/describe/describe.go, v1.36)."""

from __future__ import annotations

import base64
import re
from typing import Any

from podsysctl.cli import describe_containers as containers
from podsysctl.cli.describe_text import Writer, controller, moment, selector
from podsysctl.client.rest import Object
from podsysctl.objects import gotext


def namespace(obj: Object, quotas: list[Object] | None, ranges: list[Object] | None) -> str:
    """The description of a namespace; quotas and limit ranges are None where the server has no such kinds."""
    w = Writer()
    metadata, status = obj["metadata"], obj.get("status") or {}
    w.line(0, f"Name:\t{metadata['name']}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))
    w.line(0, f"Status:\t{status.get('phase') or ''}")
    if status.get("conditions"):
        w.line(0, "Conditions:")
        w.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage")
        w.line(1, "----\t------\t------------------\t------\t-------")
        for c in status["conditions"]:
            changed = moment(c.get("lastTransitionTime"))
            w.line(1, f"{c['type']}\t{c.get('status')}\t{changed}\t{c.get('reason', '')}\t{c.get('message', '')}")
    if quotas is not None:
        w.line(0, "")
        w.line(0, "No resource quota." if not quotas else "Resource Quotas")
        for quota in quotas:
            _quota(w, quota)
    if ranges is not None:
        w.line(0, "")
        w.line(0, "No LimitRange resource." if not ranges else "Resource Limits")
        for limit_range in ranges:
            w.line(1, f"Name:\t{limit_range['metadata']['name']}")
    return w.text()


def _quota(w: Writer, quota: Object) -> None:
    status = quota.get("status") or {}
    w.line(1, f"Name:\t{quota['metadata']['name']}")
    w.line(1, "Resource\tUsed\tHard")
    w.line(1, "--------\t---\t---")
    for name in sorted(status.get("hard") or {}):
        w.line(1, f"{name}\t{(status.get('used') or {}).get(name, '0')}\t{status['hard'][name]}")


def _head(w: Writer, obj: Object) -> None:
    metadata = obj["metadata"]
    w.line(0, f"Name:\t{metadata['name']}")
    w.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))


def config_map(obj: Object, events: list[Object] | None) -> str:
    """The description of a ConfigMap, with its data."""
    w = Writer()
    _head(w, obj)
    for line in ("", "Data", "===="):
        w.line(0, line)
    for key in sorted(obj.get("data") or {}):
        for line in (f"{key}:", "----", str(obj["data"][key]), ""):
            w.line(0, line)
    for line in ("", "BinaryData", "===="):
        w.line(0, line)
    for key in sorted(obj.get("binaryData") or {}):
        w.line(0, f"{key}: {len(base64.b64decode(obj['binaryData'][key]))} bytes")
    w.line(0, "")
    w.events(events)
    return w.text()


def secret(obj: Object, events: list[Object] | None) -> str:
    """The description of a Secret: sizes, never values."""
    w = Writer()
    _head(w, obj)
    w.line(0, "")
    w.line(0, f"Type:\t{obj.get('type') or ''}")
    for line in ("", "Data", "===="):
        w.line(0, line)
    for key in sorted(obj.get("data") or {}):
        value = base64.b64decode(obj["data"][key])
        if key == "token" and obj.get("type") == "kubernetes.io/service-account-token":
            w.line(0, f"{key}:\t{value.decode('utf-8', 'replace')}")
        else:
            w.line(0, f"{key}:\t{len(value)} bytes")
    return w.text()


def service_account(obj: Object, events: list[Object] | None) -> str:
    """The description of a ServiceAccount."""
    w = Writer()
    _head(w, obj)
    names = [s.get("name", "") for s in obj.get("imagePullSecrets") or ()] or ["<none>"]
    for i, name in enumerate(names):
        w.line(0, f"{'Image pull secrets:' if not i else ' ' * 19}\t{name}")
    w.events(events)
    return w.text()


def template(w: Writer, value: Object) -> None:
    """A pod template."""
    metadata, spec = value.get("metadata") or {}, value.get("spec") or {}
    w.line(0, "Pod Template:")
    w.labels("  Labels", metadata.get("labels"))
    if metadata.get("annotations"):
        w.annotations("  Annotations", metadata["annotations"])
    if spec.get("serviceAccountName"):
        w.line(1, f"Service Account:\t{spec['serviceAccountName']}")
    if spec.get("initContainers"):
        containers.describe(w, "Init Containers", spec["initContainers"], None, None, space="  ")
    containers.describe(w, "Containers", spec.get("containers") or [], None, None, space="  ")
    containers.volumes(w, spec.get("volumes") or [], space="  ")
    if spec.get("priorityClassName"):
        w.line(1, f"Priority Class Name:\t{spec['priorityClassName']}")
    w.labels("  Node-Selectors", spec.get("nodeSelector"))
    from podsysctl.cli.describe_text import toleration_text

    entries = sorted(spec.get("tolerations") or [], key=lambda t: t.get("key") or "")
    w.pairs("  Tolerations", [toleration_text(t) for t in entries])


def _conditions(w: Writer, conditions: list[Object]) -> None:
    if conditions:
        w.line(0, "Conditions:")
        w.line(1, "Type\tStatus\tReason")
        w.line(1, "----\t------\t------")
        for c in conditions:
            w.line(1, f"{c['type']} \t{c.get('status')}\t{c.get('reason', '')}")


def deployment(obj: Object, old: list[Object], new: list[Object], events: list[Object] | None) -> str:
    """The description of a Deployment with its old and new ReplicaSets."""
    w = Writer()
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    w.line(0, f"Name:\t{metadata['name']}")
    w.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    w.line(0, f"CreationTimestamp:\t{moment(metadata.get('creationTimestamp'))}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))
    w.line(0, f"Selector:\t{selector(spec.get('selector'))}")
    counts = [status.get(k, 0) for k in ("updatedReplicas", "replicas", "availableReplicas", "unavailableReplicas")]
    w.line(
        0,
        f"Replicas:\t{spec.get('replicas', 1)} desired | {counts[0]} updated | {counts[1]} total | "
        f"{counts[2]} available | {counts[3]} unavailable",
    )
    strategy = spec.get("strategy") or {}
    w.line(0, f"StrategyType:\t{strategy.get('type') or ''}")
    w.line(0, f"MinReadySeconds:\t{spec.get('minReadySeconds', 0)}")
    rolling = strategy.get("rollingUpdate")
    if rolling:
        w.line(
            0,
            f"RollingUpdateStrategy:\t{rolling.get('maxUnavailable')} max unavailable, "
            f"{rolling.get('maxSurge')} max surge",
        )
    template(w, spec["template"])
    _conditions(w, status.get("conditions") or [])
    if old or new:
        w.line(0, f"OldReplicaSets:\t{_replica_sets(old)}")
        w.line(0, f"NewReplicaSet:\t{_replica_sets(new)}")
    w.events(events)
    return w.text()


def _replica_sets(sets: list[Object]) -> str:
    texts = []
    for item in sets:
        made, wanted = (item.get("status") or {}).get("replicas", 0), item["spec"].get("replicas", 1)
        texts.append(f"{item['metadata']['name']} ({made}/{wanted} replicas created)")
    return ", ".join(texts) or "<none>"


def replica_set(obj: Object, phases: dict[str, int], events: list[Object] | None) -> str:
    """The description of a ReplicaSet; `phases` counts its pods by phase."""
    w = Writer()
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    w.line(0, f"Name:\t{metadata['name']}")
    w.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    w.line(0, f"Selector:\t{selector(spec.get('selector'))}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))
    if controller(obj):
        w.line(0, f"Controlled By:\t{controller(obj)}")
    w.line(0, f"Replicas:\t{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    names = (("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"), ("Failed", "Failed"))
    w.line(0, "Pods Status:\t" + " / ".join(f"{phases.get(phase, 0)} {title}" for phase, title in names))
    template(w, spec["template"])
    _conditions(w, status.get("conditions") or [])
    w.events(events)
    return w.text()


def generic(obj: Object, events: list[Object] | None) -> str:
    """Any object, field by field."""
    w = Writer()
    _head(w, obj)
    skipped = {f"metadata.{key}" for key in ("managedFields", "name", "namespace", "labels", "annotations")}
    _fields(w, 0, obj, "", skipped)
    w.events(events)
    return w.text()


def _fields(w: Writer, level: int, content: Object, path: str, skipped: set[str]) -> None:
    for name in sorted(content):
        value, here = content[name], f"{path}{name}"
        if here in skipped:
            continue
        if isinstance(value, dict):
            w.line(level, f"{field_title(name)}:")
            _fields(w, level + 1, value, f"{here}.", skipped)
        elif isinstance(value, list):
            w.line(level, f"{field_title(name)}:")
            for item in value:
                if isinstance(item, dict):
                    _fields(w, level + 1, item, f"{here}.", skipped)
                else:
                    w.line(level + 1, _scalar(item))
        else:
            w.line(level, f"{field_title(name)}:\t{_scalar(value)}")


def _scalar(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return gotext.float_text(value) if isinstance(value, float) else str(value)


def field_title(name: str) -> str:
    """`creationTimestamp` becomes `Creation Timestamp`; names with odd characters stay as they are.

    >>> field_title("apiVersion"), field_title("uid"), field_title("podIPs"), field_title("x.y/z")
    ('API Version', 'UID', 'Pod I Ps', 'x.y/z')
    """
    if not all(char.isalpha() or char == "-" for char in name):
        return name
    out = []
    for part in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|-", name):
        if part.upper() in ("API", "URL", "UID", "GUID"):
            part = part.upper()
        elif part.islower():
            part = part.capitalize()
        out.append(part)
    return " ".join(out)
