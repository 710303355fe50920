"""The files that configMap, secret, downwardAPI and projected volumes show, from the API's objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podsysctl.node import downward
from podsysctl.node import pod as pods
from podsysctl.node.references import References, data_of
from podsysctl.node.volumes.atomic import File
from podsysctl.node.volumes.tokens import Tokens

DEFAULT_MODE = 0o644


class PayloadError(Exception):
    """Why the files cannot be known, in the kubelet's words."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the content comes from."""

    references: References
    tokens: Tokens
    node: downward.NodeFacts
    pod_ips: tuple[str, ...]


async def files_of(pod: pods.Pod, volume: dict[str, Any], sources: Sources) -> dict[str, File]:
    """Files of one volume by relative path. Raises PayloadError, StatusError, ConnectionFailedError."""
    if "projected" in volume:
        return await _projected(pod, volume["projected"] or {}, sources)
    kind = next(k for k in ("configMap", "secret", "downwardAPI") if k in volume)
    mode = (volume[kind] or {}).get("defaultMode")
    return await _one(pod, kind, volume[kind] or {}, sources, DEFAULT_MODE if mode is None else int(mode))


async def _projected(pod: pods.Pod, projected: dict[str, Any], sources: Sources) -> dict[str, File]:
    mode = projected.get("defaultMode")
    bits = DEFAULT_MODE if mode is None else int(mode)
    out: dict[str, File] = {}
    for source in projected.get("sources") or ():
        kind = next((k for k in ("configMap", "secret", "downwardAPI", "serviceAccountToken") if k in source), "")
        if kind == "serviceAccountToken":
            out |= await _token(pod, source[kind], sources, bits)
        elif kind:
            out |= await _one(pod, kind, source[kind] or {}, sources, bits)
        else:
            raise PayloadError(f"projected source {', '.join(source)} is not supported")
    return out


async def _one(
    pod: pods.Pod, kind: str, source: dict[str, Any], sources: Sources, mode: int
) -> dict[str, File]:
    if kind == "downwardAPI":
        return _downward(pod, source, sources, mode)
    name = source.get("secretName") or source.get("name") or ""
    namespace = pods.namespace(pod)
    if kind == "configMap":
        obj = await sources.references.config_map(namespace, name)
        missing, bad_key = f'configmap "{name}" not found', "configmap references non-existent config key: {}"
    else:
        obj = await sources.references.secret(namespace, name)
        missing, bad_key = f'secret "{name}" not found', "references non-existent secret key: {}"
    optional = bool(source.get("optional"))
    if obj is None and not optional:
        raise PayloadError(missing)
    data = {} if obj is None else data_of(obj)
    items = source.get("items")
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    out = {}
    for item in items:
        if item["key"] not in data:
            if optional:
                continue
            raise PayloadError(bad_key.format(item["key"]))
        own = item.get("mode")
        out[item["path"]] = File(data[item["key"]], mode if own is None else int(own))
    return out


def _downward(pod: pods.Pod, source: dict[str, Any], sources: Sources, mode: int) -> dict[str, File]:
    out = {}
    for item in source.get("items") or ():
        own = item.get("mode")
        if item.get("fieldRef"):
            text = downward.field(pod, item["fieldRef"]["fieldPath"], sources.node, sources.pod_ips)
        else:
            text = downward.resource(pod, None, item["resourceFieldRef"], sources.node)
        out[item["path"]] = File(text.encode(), mode if own is None else int(own))
    return out


async def _token(pod: pods.Pod, source: dict[str, Any], sources: Sources, mode: int) -> dict[str, File]:
    seconds = source.get("expirationSeconds")
    token = await sources.tokens.get(pod, source.get("audience") or "", 3600 if seconds is None else int(seconds))
    owner = _single_user(pod)
    if owner is not None or pods.security_context(pod).get("fsGroup") is not None:
        mode = 0o600
    return {source["path"]: File(token.encode(), mode, owner)}


def _single_user(pod: pods.Pod) -> int | None:
    """The runAsUser that all containers share, if there is one."""
    shared = pods.security_context(pod).get("runAsUser")
    users = set()
    for container in pods.all_containers(pod):
        own = (container.get("securityContext") or {}).get("runAsUser")
        users.add(shared if own is None else own)
    only = users.pop() if len(users) == 1 else None
    return None if only is None else int(only)
