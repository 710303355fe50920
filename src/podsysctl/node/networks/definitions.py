"""From a NetworkAttachmentDefinition to the list of plugins to run. Pure, but for files of an empty definition.

Source: multus-cni pkg/k8sclient (getNetDelegate, GetK8sArgs), libcni conf.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError
from podsysctl.objects.kinds import Kind
from podsysctl.policy import network_plugin

DEFINITIONS = Kind(
    group="k8s.cni.cncf.io",
    version="v1",
    kind="NetworkAttachmentDefinition",
    plural="network-attachment-definitions",
    singular="network-attachment-definition",
    namespaced=True,
    short_names=("net-attach-def",),
    type_name="",
)

DEFAULT_CNI_VERSION = "0.4.0"
"""For configurations without a version; libcni takes 0.1.0, of which no plugin makes anything useful."""


class BadConfigError(PodsysctlError):
    """A definition's configuration that no plugin can be run with."""

    reason = "InvalidNetworkConfig"


@dataclass(frozen=True, slots=True)
class PluginList:
    """A network's name, its version, and its plugins in order, as written."""

    name: str
    version: str
    plugins: tuple[dict[str, Any], ...]

    @property
    def bridges(self) -> tuple[str, ...]:
        """Bridges of the host that it has ports on, the plugin's default name included."""
        return tuple(str(p.get("bridge") or "cni0") for p in self.plugins if p.get("type") == "bridge")


def parse(definition: Mapping[str, Any], directory: Path) -> PluginList:
    """The plugins of a definition; `directory` has files for definitions without a configuration.

    Raises BadConfigError naming the definition.
    """
    metadata = definition["metadata"]
    label = f"{metadata.get('namespace', '')}/{metadata['name']}"
    text = (definition.get("spec") or {}).get("config") or _from_file(metadata["name"], directory, label)
    if len(text) > limits.CNI_CONFIG_BYTES:
        raise BadConfigError(f"network {label}: spec.config has more than {limits.CNI_CONFIG_BYTES} bytes")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadConfigError(f"network {label}: spec.config is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadConfigError(f"network {label}: spec.config must be a JSON object")
    plugins = document.get("plugins", [document])
    if not isinstance(plugins, list) or not plugins or not all(isinstance(p, dict) for p in plugins):
        raise BadConfigError(f"network {label}: plugins must be a list of objects with at least one")
    for plugin in plugins:
        problem = network_plugin.find_problem(plugin)
        if problem:
            raise BadConfigError(f"network {label}: {problem}")
        kind = plugin.get("type")
        if not isinstance(kind, str) or not kind or "/" in kind:
            raise BadConfigError(f"network {label}: a plugin's type must be the name of a program")
    name = document.get("name") or metadata["name"]
    version = document.get("cniVersion") or DEFAULT_CNI_VERSION
    if not isinstance(name, str) or not isinstance(version, str):
        raise BadConfigError(f"network {label}: name and cniVersion must be strings")
    return PluginList(name, version, tuple(plugins))


def _from_file(name: str, directory: Path, label: str) -> str:
    """The configuration on disk whose name is the definition's."""
    for path in sorted(directory.glob("*.conf*")) if directory.is_dir() else ():
        if path.stat().st_size > limits.CNI_CONFIG_BYTES:
            continue
        text = path.read_text(errors="replace")
        try:
            document = json.loads(text)
        except ValueError:
            continue  # another network's file, and its owner's fault
        if isinstance(document, dict) and document.get("name") == name:
            return text
    raise BadConfigError(f"network {label}: spec.config is empty and {directory} has no configuration named {name}")
