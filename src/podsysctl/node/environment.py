"""The environment, command and arguments of a container, references resolved (kubelet_pods.go, 1.36)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.node import downward, env_file
from podsysctl.node import pod as pods
from podsysctl.node.expansion import expand
from podsysctl.node.references import References, data_of
from podsysctl.node.security import ContainerConfigError
from podsysctl.node.volumes.manager import Volume

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Resolver:
    """Resolves the variables of one container; objects are read once."""

    pod: pods.Pod
    container: pods.Container
    references: References
    node: downward.NodeFacts
    pod_ips: tuple[str, ...]
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    _read: dict[tuple[str, str], dict[str, bytes] | None] = field(default_factory=dict)

    async def resolve(self) -> dict[str, str]:
        """Variables by name: envFrom first, then env in order, then service variables not yet there.

        Raises ContainerConfigError in the kubelet's words when a required object or key is missing.
        """
        out: dict[str, str] = {}
        for source in self.container.get("envFrom") or ():
            out |= await self._env_from(source)
        for variable in self.container.get("env") or ():
            value = await self._value(variable, out)
            if value is not None:
                out[variable["name"]] = value
        return {**self.services, **out}

    async def _env_from(self, source: dict[str, Any]) -> dict[str, str]:
        prefix = source.get("prefix") or ""
        for key, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
            reference = source.get(key)
            if reference is None:
                continue
            data = await self._data(kind, reference["name"], bool(reference.get("optional")))
            return {prefix + k: v.decode(errors="replace") for k, v in (data or {}).items()}
        return {}

    async def _value(self, variable: dict[str, Any], known: dict[str, str]) -> str | None:
        """The value of one variable, None to leave it out."""
        literal = variable.get("value")
        if literal:
            return expand(literal, known, self.services)
        source = variable.get("valueFrom")
        if not source:
            return ""
        if source.get("fieldRef"):
            return downward.field(self.pod, source["fieldRef"]["fieldPath"], self.node, self.pod_ips)
        if source.get("resourceFieldRef"):
            return downward.resource(self.pod, self.container, source["resourceFieldRef"], self.node)
        if source.get("configMapKeyRef"):
            return await self._key("configmap", "ConfigMap", source["configMapKeyRef"])
        if source.get("secretKeyRef"):
            return await self._key("secret", "Secret", source["secretKeyRef"])
        if source.get("fileKeyRef"):
            return self._file_key(source["fileKeyRef"])
        return ""

    def _file_key(self, reference: dict[str, Any]) -> str | None:
        """An empty value counts as none (kubelet_pods.go, makeEnvironmentVariables)."""
        volume = self.volumes.get(reference["volumeName"])
        if volume is None:
            raise ContainerConfigError(f'cannot find the volume "{reference["volumeName"]}" referenced by FileKeyRef')
        try:
            value = env_file.read(volume.host_path, reference["path"], reference["key"])
        except env_file.EnvFileError as error:
            log.info("pod %s: %s", pods.full_name(self.pod), error)
            raise ContainerConfigError("couldn't parse env file") from error
        if value or reference.get("optional"):
            return value or None
        path = volume.host_path / reference["path"]
        raise ContainerConfigError(f'environment variable key "{reference["key"]}" not found in file "{path}"')

    async def _key(self, kind: str, shown: str, reference: dict[str, Any]) -> str | None:
        name, key, optional = reference["name"], reference["key"], bool(reference.get("optional"))
        data = await self._data(kind, name, optional)
        if data is None:
            return None
        if key in data:
            return data[key].decode(errors="replace")
        if optional:
            return None
        raise ContainerConfigError(f"couldn't find key {key} in {shown} {pods.namespace(self.pod)}/{name}")

    async def _data(self, kind: str, name: str, optional: bool) -> dict[str, bytes] | None:
        cached = (kind, name)
        if cached not in self._read:
            read = self.references.config_map if kind == "configmap" else self.references.secret
            obj = await read(pods.namespace(self.pod), name)
            # Variables never come from binaryData (kubelet_pods.go, makeEnvironmentVariables).
            self._read[cached] = None if obj is None else data_of(obj, binary=False)
        data = self._read[cached]
        if data is None and not optional:
            raise ContainerConfigError(f'{kind} "{name}" not found')
        return data


def command_line(container: pods.Container, environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Command and arguments with `$(NAME)` expanded."""
    command = [expand(word, environment) for word in container.get("command") or ()]
    return command, [expand(word, environment) for word in container.get("args") or ()]
