"""ConfigMaps and Secrets that pods of this node refer to: each watched while some pod needs it.

A node may read only the objects its pods name, so each is watched alone, by name, as the kubelet does. The first
read of an object goes straight to the API, so that a pod need not wait for the watch.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.node import pod as pods
from podsysctl.node.tasks import Tasks
from podsysctl.objects.kinds import builtin_by_resource

CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
SECRETS = builtin_by_resource("", "v1", "secrets")

Key = tuple[str, str, str]
"""Plural, namespace, name."""


@dataclass(slots=True)
class _Watched:
    informer: Informer
    users: set[str] = field(default_factory=set)
    stop: Callable[[], None] | None = None


class References:
    """The referenced objects of one node. `changed` is called with the uids of pods that use a changed object."""

    def __init__(self, client: Client, tasks: Tasks, changed: Callable[[str], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._changed = changed
        self._watched: dict[Key, _Watched] = {}

    def register(self, pod: pods.Pod) -> None:
        """Watch everything the pod refers to."""
        uid = pods.uid(pod)
        for key in referenced(pod):
            watched = self._watched.get(key)
            if watched is None:
                watched = self._watched[key] = self._start(key)
            watched.users.add(uid)

    def forget(self, uid: str) -> None:
        """Stop watching what only this pod referred to."""
        for key, watched in list(self._watched.items()):
            watched.users.discard(uid)
            if not watched.users:
                del self._watched[key]
                if watched.stop is not None:
                    watched.stop()

    async def config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A ConfigMap, or None when there is none. Raises StatusError, ConnectionFailedError."""
        return await self._get(("configmaps", namespace, name))

    async def secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        """A Secret, or None when there is none. Raises StatusError, ConnectionFailedError."""
        return await self._get(("secrets", namespace, name))

    async def _get(self, key: Key) -> dict[str, Any] | None:
        plural, namespace, name = key
        watched = self._watched.get(key)
        if watched is not None and watched.informer.synced.is_set():
            found = watched.informer.get(name, namespace)
            if found is not None:
                return found
        kind = CONFIG_MAPS if plural == "configmaps" else SECRETS
        try:
            return await self._client.get(kind, name, namespace)
        except StatusError as error:
            if error.code == 404:
                return None
            raise

    def _start(self, key: Key) -> _Watched:
        plural, namespace, name = key
        kind = CONFIG_MAPS if plural == "configmaps" else SECRETS
        informer = Informer(self._client, kind, namespace, field_selector=f"metadata.name={name}")
        watched = _Watched(informer)

        def tell(*_: object) -> None:
            for uid in watched.users:
                self._changed(uid)

        informer.add_handler(on_add=tell, on_update=tell)

        def ended(_: BaseException) -> None:
            """Refused, or a defect: the next step of a pod that needs it begins it again."""
            if self._watched.get(key) is watched:
                del self._watched[key]

        watched.stop = self._tasks.spawn(f"watch {plural} {namespace}/{name}", informer.run(), ended)
        return watched


def referenced(pod: pods.Pod) -> set[Key]:
    """Every ConfigMap and Secret that the pod's environment, volumes and pull secrets name."""
    namespace = pods.namespace(pod)
    out: set[Key] = set()

    def add(plural: str, name: str | None) -> None:
        if name:
            out.add((plural, namespace, name))

    for container in pods.all_containers(pod):
        for source in container.get("envFrom") or ():
            add("configmaps", (source.get("configMapRef") or {}).get("name"))
            add("secrets", (source.get("secretRef") or {}).get("name"))
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            add("configmaps", (source.get("configMapKeyRef") or {}).get("name"))
            add("secrets", (source.get("secretKeyRef") or {}).get("name"))
    for volume in pods.spec(pod).get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            add("configmaps", (source.get("configMap") or {}).get("name"))
            secret = source.get("secret") or {}
            add("secrets", secret.get("secretName") or secret.get("name"))
    for pull_secret in pods.spec(pod).get("imagePullSecrets") or ():
        add("secrets", pull_secret.get("name"))
    return out


def data_of(obj: dict[str, Any], *, binary: bool = True) -> dict[str, bytes]:
    """The data of a ConfigMap or Secret as bytes; `binary` says whether a ConfigMap's binaryData counts."""
    if obj.get("kind") == "Secret" or "stringData" in obj or "type" in obj:
        return {key: _decode(value) for key, value in (obj.get("data") or {}).items()}
    out = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return out | {key: _decode(value) for key, value in ((obj.get("binaryData") if binary else None) or {}).items()}


def _decode(value: str | None) -> bytes:
    try:
        return base64.b64decode(value or "", validate=True)
    except binascii.Error:
        return b""
