"""Containers, their state and their volumes, as `describe` shows them for pods and pod templates.

kubectl pkg/describe/describe.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podsysctl.cli.describe_text import Writer, moment
from podsysctl.client.rest import Object
from podsysctl.objects.quote import quote


def describe(
    w: Writer,
    title: str,
    containers: Sequence[Object],
    statuses: Sequence[Object] | None,
    pod: Object | None,
    *,
    space: str = "",
) -> None:
    """A list of containers; `pod` is what fieldRef values are looked up in, None for templates."""
    known = {status["name"]: status for status in statuses or ()}
    w.line(0, f"{space}{title}:" + ("" if containers else " <none>"))
    for container in containers:
        status = known.get(container["name"])
        _basics(w, container, status, " " if space else "")
        _command(w, container)
        if status is not None:
            _state(w, "State", status.get("state") or {})
            if (status.get("lastState") or {}).get("terminated"):
                _state(w, "Last State", status["lastState"])
            w.line(2, f"Ready:\t{bool_text(status.get('ready'))}")
            w.line(2, f"Restart Count:\t{status.get('restartCount', 0)}")
        resources(w, container.get("resources") or {}, 2)
        for name, key in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
            if container.get(key):
                w.line(2, f"{name}:\t{probe(container[key])}")
        if container.get("envFrom"):
            _environment_sources(w, container["envFrom"])
        _environment(w, container, pod)
        _mounts(w, container)


def bool_text(value: Any) -> str:
    """`True` or `False`."""
    return "True" if value else "False"


def _basics(w: Writer, container: Object, status: Object | None, indent: str) -> None:
    w.line(1, f"{indent}{container['name']}:")
    if status is not None:
        w.line(2, f"Container ID:\t{status.get('containerID') or ''}")
    w.line(2, f"Image:\t{container.get('image') or ''}")
    if status is not None:
        w.line(2, f"Image ID:\t{status.get('imageID') or ''}")
    ports = container.get("ports") or []
    texts = []
    for port in ports:
        text = f"{port.get('containerPort')}/{port.get('protocol') or 'TCP'}"
        texts.append(f"{text} ({port['name']})" if port.get("name") else text)
    host = [f"{port.get('hostPort') or 0}/{port.get('protocol') or 'TCP'}" for port in ports]
    for name, values in (("Port", texts), ("Host Port", host)):
        w.line(2, f"{name}{'s' if len(values) > 1 else ''}:\t{', '.join(values) or '<none>'}")
    profile = (container.get("securityContext") or {}).get("seccompProfile")
    if profile:
        w.line(2, f"SeccompProfile:\t{profile.get('type')}")
        if profile.get("type") == "Localhost":
            w.line(3, f"LocalhostProfile:\t{profile.get('localhostProfile')}")


def _command(w: Writer, container: Object) -> None:
    for title, key in (("Command", "command"), ("Args", "args")):
        if container.get(key):
            w.line(2, f"{title}:")
            for word in container[key]:
                for line in str(word).split("\n"):
                    w.line(3, line)


def _state(w: Writer, title: str, state: Object) -> None:
    if state.get("running") is not None:
        w.line(2, f"{title}:\tRunning")
        w.line(3, f"Started:\t{moment(state['running'].get('startedAt'))}")
    elif state.get("terminated") is not None:
        ended = state["terminated"]
        w.line(2, f"{title}:\tTerminated")
        for name, key in (("Reason", "reason"), ("Message", "message")):
            if ended.get(key):
                w.line(3, f"{name}:\t{ended[key]}")
        w.line(3, f"Exit Code:\t{ended.get('exitCode', 0)}")
        if ended.get("signal"):
            w.line(3, f"Signal:\t{ended['signal']}")
        w.line(3, f"Started:\t{moment(ended.get('startedAt'))}")
        w.line(3, f"Finished:\t{moment(ended.get('finishedAt'))}")
    else:
        w.line(2, f"{title}:\tWaiting")
        reason = (state.get("waiting") or {}).get("reason")
        if reason:
            w.line(3, f"Reason:\t{reason}")


def resources(w: Writer, values: Mapping[str, Any], level: int) -> None:
    """Limits and requests."""
    for title, key in (("Limits", "limits"), ("Requests", "requests")):
        entries = values.get(key) or {}
        if entries:
            w.line(level, f"{title}:")
            for name in sorted(entries):
                w.line(level + 1, f"{name}:\t{entries[name]}")


def probe(value: Object) -> str:
    """A probe in one line."""
    numbers = (
        f"delay={value.get('initialDelaySeconds', 0)}s timeout={value.get('timeoutSeconds', 0)}s "
        f"period={value.get('periodSeconds', 0)}s #success={value.get('successThreshold', 0)} "
        f"#failure={value.get('failureThreshold', 0)}"
    )
    if value.get("exec") is not None:
        return f"exec [{' '.join(value['exec'].get('command') or [])}] {numbers}"
    if value.get("httpGet") is not None:
        get = value["httpGet"]
        host = str(get.get("host") or "")
        address = f"[{host}]" if ":" in host else host
        url = f"{str(get.get('scheme') or '').lower()}://{address}:{get.get('port')}{get.get('path') or ''}"
        return f"http-get {url} {numbers}"
    if value.get("tcpSocket") is not None:
        tcp = value["tcpSocket"]
        return f"tcp-socket {tcp.get('host') or ''}:{tcp.get('port')} {numbers}"
    if value.get("grpc") is not None:
        grpc = value["grpc"]
        return f"grpc <pod>:{grpc.get('port')} {grpc.get('service') or ''} {numbers}"
    return f"unknown {numbers}"


def _environment_sources(w: Writer, sources: Sequence[Object]) -> None:
    w.line(2, "Environment Variables from:")
    for source in sources:
        kind, key = ("ConfigMap", "configMapRef") if source.get("configMapRef") else ("Secret", "secretRef")
        ref = source.get(key) or {}
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        w.line(3, f"{ref.get('name', '')}\t{kind}{prefix}\tOptional: {_optional(ref)}")


def _optional(ref: Object) -> str:
    return "true" if ref.get("optional") else "false"


def _environment(w: Writer, container: Object, pod: Object | None) -> None:
    variables = container.get("env") or []
    w.line(2, "Environment:" + ("" if variables else "\t<none>"))
    for variable in variables:
        name, source = variable["name"], variable.get("valueFrom")
        if not source:
            first, *more = str(variable.get("value") or "").split("\n")
            w.line(3, f"{name}:\t{first}")
            for line in more:
                w.line(3, f"\t{line}")
        elif source.get("fieldRef"):
            ref = source["fieldRef"]
            w.line(
                3, f"{name}:\t{field_value(pod, ref['fieldPath'])} ({ref.get('apiVersion', 'v1')}:{ref['fieldPath']})"
            )
        elif source.get("resourceFieldRef"):
            resource = source["resourceFieldRef"]["resource"]
            w.line(3, f"{name}:\t{_resource_value(container, resource)} ({resource})")
        elif source.get("secretKeyRef"):
            ref = source["secretKeyRef"]
            text = f"<set to the key '{ref['key']}' in secret '{ref.get('name', '')}'>"
            w.line(3, f"{name}:\t{text}\tOptional: {_optional(ref)}")
        elif source.get("configMapKeyRef"):
            ref = source["configMapKeyRef"]
            text = f"<set to the key '{ref['key']}' of config map '{ref.get('name', '')}'>"
            w.line(3, f"{name}:\t{text}\tOptional: {_optional(ref)}")


def field_value(pod: Object | None, path: str) -> str:
    """What a fieldRef stands for in this pod; empty for templates and unknown paths."""
    value: Any = pod
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _resource_value(container: Object, resource: str) -> str:
    group, _, name = resource.partition(".")
    value = ((container.get("resources") or {}).get(group) or {}).get(name)
    if value is None:
        return "node allocatable" if resource in ("limits.cpu", "limits.memory") else "0"
    from podsysctl.objects import quantity

    amount = quantity.parse_quantity(str(value))
    return str(-(-amount.nanos // 10**9))


def _mounts(w: Writer, container: Object) -> None:
    mounts = sorted(container.get("volumeMounts") or [], key=lambda m: str(m["mountPath"]))
    w.line(2, "Mounts:" + ("" if mounts else "\t<none>"))
    for mount in mounts:
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f"path={quote(mount['subPath'])}")
        w.line(3, f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})")


def volumes(w: Writer, entries: Sequence[Object], *, space: str = "") -> None:
    """The volumes of a pod or template."""
    if not entries:
        w.line(0, f"{space}Volumes:\t<none>")
        return
    w.line(0, f"{space}Volumes:")
    for volume in entries:
        w.line(1, f"{' ' if space else ''}{volume['name']}:")
        kind = next((key for key in _VOLUMES if volume.get(key) is not None), "")
        if not kind:
            w.line(1, "<unknown>")
            continue
        head, rows = _VOLUMES[kind](volume[kind])
        w.line(2, f"Type:\t{head}")
        for row in rows:
            w.line(2, row)


def _host_path(source: Object) -> tuple[str, list[str]]:
    kind = source.get("type")
    rows = [f"Path:\t{source.get('path')}", f"HostPathType:\t{'<none>' if kind is None else kind}"]
    return "HostPath (bare host directory volume)", rows


def _empty_dir(source: Object) -> tuple[str, list[str]]:
    rows = [f"Medium:\t{source.get('medium') or ''}", f"SizeLimit:\t{source.get('sizeLimit') or '<unset>'}"]
    return "EmptyDir (a temporary directory that shares a pod's lifetime)", rows


def _secret(source: Object) -> tuple[str, list[str]]:
    rows = [f"SecretName:\t{source.get('secretName') or ''}", f"Optional:\t{_optional(source)}"]
    return "Secret (a volume populated by a Secret)", rows


def _config_map(source: Object) -> tuple[str, list[str]]:
    rows = [f"Name:\t{source.get('name') or ''}", f"Optional:\t{_optional(source)}"]
    return "ConfigMap (a volume populated by a ConfigMap)", rows


def _downward(source: Object) -> tuple[str, list[str]]:
    rows = ["Items:"]
    for item in source.get("items") or ():
        ref = item.get("fieldRef") or {}
        path = ref.get("fieldPath") or (item.get("resourceFieldRef") or {}).get("resource")
        rows.append(f"  {path} -> {item.get('path')}")
    return "DownwardAPI (a volume populated by information about the pod)", rows


def _projected(source: Object) -> tuple[str, list[str]]:
    rows: list[str] = []
    for part in source.get("sources") or ():
        if part.get("secret"):
            rows += [f"SecretName:\t{part['secret'].get('name')}", f"Optional:\t{_optional(part['secret'])}"]
        elif part.get("downwardAPI"):
            rows.append("DownwardAPI:\ttrue")
        elif part.get("configMap"):
            rows += [f"ConfigMapName:\t{part['configMap'].get('name')}", f"Optional:\t{_optional(part['configMap'])}"]
        elif part.get("serviceAccountToken"):
            rows.append(f"TokenExpirationSeconds:\t{part['serviceAccountToken'].get('expirationSeconds')}")
    return "Projected (a volume that contains injected data from multiple sources)", rows


def _claim(source: Object) -> tuple[str, list[str]]:
    rows = [
        f"ClaimName:\t{source.get('claimName') or ''}",
        f"ReadOnly:\t{'true' if source.get('readOnly') else 'false'}",
    ]
    return "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)", rows


_VOLUMES = {
    "hostPath": _host_path,
    "emptyDir": _empty_dir,
    "secret": _secret,
    "configMap": _config_map,
    "persistentVolumeClaim": _claim,
    "downwardAPI": _downward,
    "projected": _projected,
}
