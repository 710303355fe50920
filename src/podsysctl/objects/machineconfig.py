"""Kinds, annotations and states of machine configuration, as clients, controllers and nodes see them.

Source: machine-config-operator pkg/daemon/constants/constants.go and pkg/controller/common/constants.go.
"""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from podsysctl.base.errors import PodsysctlError
from podsysctl.objects.kinds import Kind

Object = dict[str, Any]

GROUP: Final = "machineconfiguration.openshift.io"
PREFIX: Final = f"{GROUP}/"


def _kind(kind: str, plural: str, singular: str) -> Kind:
    return Kind(group=GROUP, version="v1", kind=kind, plural=plural, singular=singular, namespaced=False)


POOL: Final = _kind("MachineConfigPool", "machineconfigpools", "machineconfigpool")
MACHINE_CONFIG: Final = _kind("MachineConfig", "machineconfigs", "machineconfig")
KUBELET_CONFIG: Final = _kind("KubeletConfig", "kubeletconfigs", "kubeletconfig")

ROLE_LABEL: Final = f"{PREFIX}role"
NODE_ROLE_PREFIX: Final = "node-role.kubernetes.io/"
BUILT_IN_LABEL: Final = f"{PREFIX}mco-built-in"
POOL_LABEL_PREFIX: Final = "pools.operator.machineconfiguration.openshift.io/"
UPGRADE_LABEL: Final = "operator.machineconfiguration.openshift.io/required-for-upgrade"
GENERATED_BY: Final = f"{PREFIX}generated-by-controller-version"
NAME_SUFFIX: Final = f"{PREFIX}mc-name-suffix"

CURRENT_CONFIG: Final = f"{PREFIX}currentConfig"
DESIRED_CONFIG: Final = f"{PREFIX}desiredConfig"
STATE: Final = f"{PREFIX}state"
REASON: Final = f"{PREFIX}reason"
DESIRED_DRAIN: Final = f"{PREFIX}desiredDrain"
LAST_DRAIN: Final = f"{PREFIX}lastAppliedDrain"

WORKING: Final = "Working"
DONE: Final = "Done"
DEGRADED: Final = "Degraded"
UNRECONCILABLE: Final = "Unreconcilable"

UPDATE_TAINT: Final = {"key": "UpdateInProgress", "effect": "PreferNoSchedule"}
KUBELET_CONF_PATH: Final = "/etc/kubernetes/kubelet.conf"
REASON_BYTES: Final = 2000
"""Longest text in the `reason` annotation."""


class RenderError(PodsysctlError):
    """A configuration that cannot be rendered or read; the message goes into a condition or an annotation."""

    reason = "RenderFailed"


class RolloutError(PodsysctlError):
    """A pool that cannot be rolled out as it is written."""

    reason = "RolloutFailed"


def annotation(node: Object, key: str) -> str:
    """One annotation of a node, empty when absent."""
    return str((node["metadata"].get("annotations") or {}).get(key, ""))


def kubelet_file(machine_config: Object) -> str:
    """The text of the kubelet's configuration in a rendered MachineConfig. Raises RenderError without one."""
    config = (machine_config.get("spec") or {}).get("config") or {}
    for file in (config.get("storage") or {}).get("files") or ():
        if file.get("path") == KUBELET_CONF_PATH:
            return _data_url_text(str((file.get("contents") or {}).get("source") or "data:,"))
    raise RenderError(f"{machine_config['metadata']['name']} holds no {KUBELET_CONF_PATH}")


def _data_url_text(url: str) -> str:
    """The text of an RFC 2397 URL. Raises RenderError."""
    head, comma, body = url.partition(",")
    if not (head.startswith("data:") and comma):
        raise RenderError(f"{KUBELET_CONF_PATH}: its source is not a data URL")
    raw = unquote_to_bytes(body)
    try:
        return (base64.b64decode(raw, validate=True) if head.endswith(";base64") else raw).decode()
    except ValueError as error:
        raise RenderError(f"{KUBELET_CONF_PATH}: its source cannot be decoded: {error}") from error
