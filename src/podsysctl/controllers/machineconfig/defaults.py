"""The pools and MachineConfigs that exist before anyone makes one."""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.client.rest import Client
from podsysctl.controllers.machineconfig import render
from podsysctl.objects import machineconfig as names
from podsysctl.objects.kinds import Kind

Object = dict[str, Any]

ROLES = ("master", "worker")


def default_pool(role: str) -> Object:
    """A built-in pool with OpenShift's labels."""
    labels = {names.BUILT_IN_LABEL: "", f"{names.POOL_LABEL_PREFIX}{role}": ""}
    if role == "master":
        labels[names.UPGRADE_LABEL] = ""
    return {
        "apiVersion": names.POOL.api_version,
        "kind": "MachineConfigPool",
        "metadata": {"name": role, "labels": labels},
        "spec": {
            "machineConfigSelector": {"matchLabels": {names.ROLE_LABEL: role}},
            "nodeSelector": {"matchLabels": {f"{names.NODE_ROLE_PREFIX}{role}": ""}},
            "paused": False,
        },
    }


async def ensure_defaults(client: Client) -> None:
    """Create what is missing; what is there is left as it is."""
    for role in ROLES:
        for machine_config in render.base_machine_configs(role):
            await _create(client, names.MACHINE_CONFIG, machine_config)
        await _create(client, names.POOL, default_pool(role))


async def _create(client: Client, kind: Kind, obj: Object) -> None:
    try:
        await client.create(kind, obj)
    except StatusError as error:
        if error.status_reason != "AlreadyExists":
            raise
