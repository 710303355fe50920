"""Tables of the core kinds other than pods. Source: Kubernetes 1.36 `pkg/printers/internalversion/printers.go`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    Column,
    Object,
    Printer,
    age,
    created,
    label_text,
    meta,
    name,
    section,
    whole,
    wide,
)

_ROLE_PREFIX = "node-role.kubernetes.io/"


def _node(node: Object, now: datetime) -> list[Any]:
    state, info = section(node, "status"), section(node, "status", "nodeInfo")
    ready = next((c for c in state.get("conditions") or () if c.get("type") == "Ready"), None)
    words = ["Unknown"] if ready is None else ["Ready" if ready.get("status") == "True" else "NotReady"]
    if section(node, "spec").get("unschedulable"):
        words.append("SchedulingDisabled")
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel = f"{kernel} ({info['architecture']})"
    return [
        name(node),
        ",".join(words),
        ",".join(_roles(node)) or NONE,
        created(node, now),
        info.get("kubeletVersion", ""),
        _address(state, "InternalIP"),
        _address(state, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(node: Object) -> list[str]:
    found = set()
    for key, value in (meta(node).get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX):
            found.add(key[len(_ROLE_PREFIX) :])
        elif key == "kubernetes.io/role":
            found.add(value)
    return sorted(found - {""})


def _address(state: Object, kind: str) -> str:
    return next((str(a.get("address")) for a in state.get("addresses") or () if a.get("type") == kind), NONE)


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), section(obj, "status").get("phase", ""), created(obj, now)]


def _event(event: Object, now: datetime) -> list[Any]:
    first = age(event.get("firstTimestamp") or event.get("eventTime"), now)
    last = age(event["lastTimestamp"], now) if event.get("lastTimestamp") else first
    count = whole(event.get("count")) or 1
    series = event.get("series")
    if series:
        last, count = age(series.get("lastObservedTime"), now), whole(series.get("count"))
    target = section(event, "involvedObject")
    kind = str(target.get("kind", "")).lower()
    source = section(event, "source")
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return [
        last,
        event.get("type", ""),
        event.get("reason", ""),
        f"{kind}/{target['name']}" if target.get("name") else kind,
        target.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        str(event.get("message", "")).strip(),
        first,
        count,
        name(event),
    ]


def _config_map(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), created(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), obj.get("type", ""), len(obj.get("data") or {}), created(obj, now)]


def _only_age(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), created(obj, now)]


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = section(obj, "spec")
    ports = []
    for port in spec.get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        ports.append(f"{port.get('port')}{node}/{port.get('protocol', '')}")
    addresses = spec.get("clusterIPs") or ()
    return [
        name(obj),
        spec.get("type", ""),
        addresses[0] if addresses else NONE,
        _external(obj, spec),
        ",".join(ports) or NONE,
        created(obj, now),
        label_text(spec.get("selector")),
    ]


def _external(obj: Object, spec: Object) -> str:
    listed = list(spec.get("externalIPs") or ())
    kind = spec.get("type")
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    if kind == "LoadBalancer":
        ingress = section(obj, "status", "loadBalancer").get("ingress") or ()
        found = [str(i.get("ip") or i.get("hostname")) for i in ingress] + listed
        return ",".join(found) or "<pending>"
    return ",".join(listed) or NONE


NODE = Printer(
    (
        NAME,
        Column("Status"),
        Column("Roles"),
        AGE,
        Column("Version"),
        *wide("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
    ),
    _node,
)
NAMESPACE = Printer((NAME, Column("Status"), AGE), _namespace)
EVENT = Printer(
    (
        Column("Last Seen"),
        Column("Type"),
        Column("Reason"),
        Column("Object"),
        *wide("Subobject", "Source"),
        Column("Message"),
        *wide("First Seen", "Count"),
        Column("Name", format="name", priority=1),
    ),
    _event,
)
CONFIG_MAP = Printer((NAME, Column("Data"), AGE), _config_map)
SECRET = Printer((NAME, Column("Type"), Column("Data"), AGE), _secret)
SERVICE_ACCOUNT = Printer((NAME, AGE), _only_age)
SERVICE = Printer(
    (
        NAME,
        Column("Type"),
        Column("Cluster-IP"),
        Column("External-IP"),
        Column("Port(s)"),
        AGE,
        Column("Selector", priority=1),
    ),
    _service,
)
