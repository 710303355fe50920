"""One rendered MachineConfig per pool, from the MachineConfigs that the pool selects.

Source: machine-config-operator pkg/controller/render and pkg/controller/common/helpers.go (MergeMachineConfigs):
role worker first, by name, then the others by name; of files with one path the later wins. The name holds a hash
of the merged content, so that going back to a former configuration gives the former name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from podsysctl.base.errors import UsageError
from podsysctl.base.versions import PROGRAM_VERSION
from podsysctl.controllers.machineconfig import kubelet_config
from podsysctl.objects import machineconfig as names
from podsysctl.objects import selectors

Object = dict[str, Any]

_SALT = b"podsysctl rendered configuration, first layout"


BASE_KUBELET: Object = {
    "kind": "KubeletConfiguration",
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "maxPods": 250,
    "podPidsLimit": 4096,
    "rotateCertificates": True,
    "serializeImagePulls": False,
    "nodeStatusUpdateFrequency": "10s",
}
"""The kubelet configuration that every pool starts from: OpenShift's template for workers, less what belongs to
its own hosts (systemd cgroups, cluster DNS, swap and protectKernelDefaults), which our agent finds out itself."""


def base_machine_configs(role: str) -> list[Object]:
    """The MachineConfigs that a built-in pool has before anyone adds one."""
    text = yaml.safe_dump(BASE_KUBELET, sort_keys=True)
    contents = {
        f"00-{role}": [],
        f"01-{role}-kubelet": [kubelet_config.configuration_file(names.KUBELET_CONF_PATH, text)],
    }
    return [
        {
            "apiVersion": names.MACHINE_CONFIG.api_version,
            "kind": "MachineConfig",
            "metadata": {
                "name": name,
                "labels": {names.ROLE_LABEL: role},
                "annotations": {names.GENERATED_BY: PROGRAM_VERSION},
            },
            "spec": {"config": {"ignition": {"version": kubelet_config.IGNITION_VERSION}, "storage": {"files": files}}},
        }
        for name, files in contents.items()
    ]


def selected(pool: Object, machine_configs: Iterable[Object]) -> list[Object]:
    """The MachineConfigs of a pool in merge order; rendered ones are never selected.

    Raises machineconfig.RenderError when there is none, and for a selector that cannot be understood.
    """
    selector = pool["spec"].get("machineConfigSelector") or {}
    try:
        wanted = selectors.from_object(selector)
    except UsageError as error:
        name = pool["metadata"]["name"]
        text = f"Failed to render configuration for pool {name}: invalid label selector: {error.message}"
        raise names.RenderError(text) from error
    chosen = [
        mc
        for mc in machine_configs
        if not mc["metadata"]["name"].startswith("rendered-") and wanted.matches(mc["metadata"].get("labels"))
    ]
    if not chosen:
        name = pool["metadata"]["name"]
        raise names.RenderError(
            f"Failed to render configuration for pool {name}: no MachineConfigs found matching selector {wanted}"
        )
    return sorted(chosen, key=_merge_order)


def _merge_order(machine_config: Object) -> tuple[bool, str]:
    metadata = machine_config["metadata"]
    return ((metadata.get("labels") or {}).get(names.ROLE_LABEL) != "worker", str(metadata["name"]))


def render(pool: Object, sources: Sequence[Object]) -> Object:
    """The rendered MachineConfig of a pool from its sources in merge order. Raises machineconfig.RenderError."""
    files: dict[str, Object] = {}
    units: dict[str, Object] = {}
    kernel_arguments: list[str] = []
    for source in sources:
        spec = source.get("spec") or {}
        config = spec.get("config") or {}
        try:
            files.update({f["path"]: f for f in (config.get("storage") or {}).get("files") or ()})
            units.update({u["name"]: u for u in (config.get("systemd") or {}).get("units") or ()})
        except (KeyError, TypeError, AttributeError) as error:
            raise names.RenderError(
                f"Failed to render configuration for pool {pool['metadata']['name']}: parsing Ignition config of "
                f"{source['metadata']['name']} failed: a file without path, or a unit without name"
            ) from error
        kernel_arguments += spec.get("kernelArguments") or ()
    config = {
        "ignition": {"version": kubelet_config.IGNITION_VERSION},
        "storage": {"files": [files[path] for path in sorted(files)]},
    }
    if units:
        config["systemd"] = {"units": [units[name] for name in sorted(units)]}
    merged: Object = {"config": config, "kernelArguments": kernel_arguments, "extensions": [], "fips": False}
    pool_name = pool["metadata"]["name"]
    return {
        "apiVersion": names.MACHINE_CONFIG.api_version,
        "kind": "MachineConfig",
        "metadata": {
            "name": f"rendered-{pool_name}-{_digest(merged)}",
            "annotations": {names.GENERATED_BY: PROGRAM_VERSION},
            "ownerReferences": [
                {
                    "apiVersion": names.POOL.api_version,
                    "kind": "MachineConfigPool",
                    "name": pool_name,
                    "uid": pool["metadata"]["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": merged,
    }


def configuration_reference(rendered: Object, sources: Sequence[Object]) -> Object:
    """What the pool's `spec.configuration` becomes."""
    return {
        "name": rendered["metadata"]["name"],
        "source": [
            {"apiVersion": names.MACHINE_CONFIG.api_version, "kind": "MachineConfig", "name": s["metadata"]["name"]}
            for s in sources
        ],
    }


def _digest(merged: Object) -> str:
    text = yaml.safe_dump(merged, sort_keys=True).encode()
    return hashlib.md5(_SALT + text, usedforsecurity=False).hexdigest()
