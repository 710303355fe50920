"""From a KubeletConfig to one MachineConfig per selected pool.

Source: machine-config-operator pkg/controller/kubelet-config (helpers.go, kubelet_config_controller.go), but for one
thing: the patterns of allowedUnsafeSysctls are judged here, before a kubelet dies of them on the first node.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from podsysctl.base.errors import UsageError
from podsysctl.base.versions import PROGRAM_VERSION
from podsysctl.objects import machineconfig as names
from podsysctl.objects import selectors
from podsysctl.objects.quote import quote
from podsysctl.policy.kubelet_config_fields import KubeletConfigError, check_fields

Object = dict[str, Any]

MOST_PER_POOL = 10
CONDITIONS_KEPT = 3
IGNITION_VERSION = "3.5.0"


POINTERS = frozenset(
    {
        "cgroupsPerQOS", "containerLogMaxFiles", "containerLogMaxWorkers", "cpuCFSQuota",
        "enableControllerAttachDetach", "enableDebugFlagsHandler", "enableDebuggingHandlers", "enableProfilingHandler",
        "enableServer", "enableSystemLogHandler", "enableSystemLogQuery", "eventRecordQPS", "failCgroupV1",
        "failSwapOn", "healthzPort", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent", "kubeAPIQPS",
        "localStorageCapacityIsolation", "makeIPTablesUtilChains", "maxParallelImagePulls", "memoryThrottlingFactor",
        "mergeDefaultEvictionSettings", "nodeStatusMaxImages", "oomScoreAdj", "podPidsLimit", "registerNode",
        "registryPullQPS", "resolvConf", "seccompDefault", "serializeImagePulls", "singleProcessOOMKill",
    }
)  # fmt: skip
"""Fields that are pointers to one value in k8s.io/kubelet config/v1beta1/types.go (1.36): zero is something said."""


def selected_pools(kubelet_config: Object, pools: Iterable[Object]) -> list[Object]:
    """The pools whose labels match the selector, by name; an empty or broken selector matches none."""
    selector = kubelet_config["spec"].get("machineConfigPoolSelector")
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        return []
    try:
        wanted = selectors.from_object(selector)
    except UsageError:
        return []
    matching = (p for p in pools if wanted.matches(p["metadata"].get("labels")))
    return sorted(matching, key=lambda pool: str(pool["metadata"]["name"]))


def check(kubelet_config: Object, pools: Sequence[Object]) -> None:
    """Everything that refuses a KubeletConfig. Raises KubeletConfigError with upstream's text."""
    spec = kubelet_config["spec"]
    try:
        selectors.from_object(spec.get("machineConfigPoolSelector"))
    except UsageError as error:
        raise KubeletConfigError(f"invalid label selector: {error.message}") from error
    log_level = spec.get("logLevel")
    if log_level is not None and not 0 <= log_level <= 10:
        raise KubeletConfigError(f"KubeletConfig's LogLevel is not valid [0,10]: {log_level}")
    fields = spec.get("kubeletConfig") or {}
    check_fields(fields, auto_sizing=bool(spec.get("autoSizingReserved")))
    for pool in pools:
        _check_static_pods(fields, pool["metadata"]["name"])
    if not pools:
        raise KubeletConfigError("could not find any MachineConfigPool set for KubeletConfig")


def _check_static_pods(fields: Object, pool_name: str) -> None:
    path = fields.get("staticPodPath")
    if not path:
        return
    if pool_name == "master":
        raise KubeletConfigError(
            f'KubeletConfiguration: staticPodPath is not allowed to be set for control plane pool "{pool_name}"'
        )
    raise KubeletConfigError(
        f'KubeletConfiguration: staticPodPath must be empty for pool "{pool_name}", but contains: {path}'
    )


def name_suffix(kubelet_config: Object, others: Iterable[Object]) -> str:
    """The suffix of this KubeletConfig's MachineConfigs: remembered, or one above the highest of the pool.

    `others` are the other KubeletConfigs of the pool. Raises KubeletConfigError at the eleventh, and when another
    one's suffix, an annotation that anyone may write, is no number.
    """
    known = (kubelet_config["metadata"].get("annotations") or {}).get(names.NAME_SUFFIX)
    if known is not None:
        return str(known)
    used = [
        (other["metadata"].get("annotations") or {}).get(names.NAME_SUFFIX)
        for other in others
        if not other["metadata"].get("deletionTimestamp")
    ]
    numbers = [_suffix_number(text) for text in used if text is not None]
    if not numbers:
        return ""
    if max(numbers) + 1 >= MOST_PER_POOL:
        raise KubeletConfigError(
            f"could not get kubelet config key: max number of supported kubelet config ({MOST_PER_POOL}) has been "
            "reached. Please delete old kubelet configs before retrying"
        )
    return str(max(numbers) + 1)


def _suffix_number(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise KubeletConfigError(
            f"could not get kubelet config key: error converting {text} to int: "
            f"strconv.Atoi: parsing {quote(text)}: invalid syntax"
        )
    return int(text)


def machine_config_name(pool_name: str, suffix: str) -> str:
    """`99-worker-generated-kubelet`, or with `-N` for a further KubeletConfig."""
    name = f"99-{pool_name}-generated-kubelet"
    return f"{name}-{suffix}" if suffix else name


def merge_fields(base: Object, fields: Object) -> Object:
    """The base configuration with the user's fields over it: lists replaced, empty values without effect.

    A zero counts where the field tells it from nothing said and the base says nothing.

    >>> merge_fields({"maxPods": 250, "a": [1]}, {"maxPods": 0, "a": [2], "b": True, "cpuCFSQuota": False})
    {'maxPods': 250, 'a': [2], 'b': True, 'cpuCFSQuota': False}
    """
    merged = dict(base)
    for key, value in fields.items():
        counts = key == "protectKernelDefaults" or (key in POINTERS and key not in base)
        if value is None or (value in ("", 0, [], {}) and not (counts and not isinstance(value, list | dict))):
            continue
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def machine_config(kubelet_config: Object, pool_name: str, suffix: str, base: Object) -> Object:
    """The MachineConfig that carries the merged kubelet configuration to a pool. `base` is the role's own."""
    metadata = kubelet_config["metadata"]
    document = merge_fields(base, kubelet_config["spec"].get("kubeletConfig") or {})
    files = [configuration_file(names.KUBELET_CONF_PATH, yaml.safe_dump(document, sort_keys=True))]
    return {
        "apiVersion": names.MACHINE_CONFIG.api_version,
        "kind": "MachineConfig",
        "metadata": {
            "name": machine_config_name(pool_name, suffix),
            "labels": {names.ROLE_LABEL: pool_name},
            "annotations": {names.GENERATED_BY: PROGRAM_VERSION},
            "ownerReferences": [
                {
                    "apiVersion": names.KUBELET_CONFIG.api_version,
                    "kind": "KubeletConfig",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {"config": {"ignition": {"version": IGNITION_VERSION}, "storage": {"files": files}}},
    }


def configuration_file(path: str, text: str) -> Object:
    """One Ignition file with mode 0644, its content as a data URL."""
    encoded = base64.b64encode(text.encode()).decode()
    return {
        "contents": {"compression": "", "source": f"data:text/plain;charset=utf-8;base64,{encoded}"},
        "mode": 0o644,
        "overwrite": True,
        "path": path,
    }


def status_after(kubelet_config: Object, error: str, now: str) -> Object:
    """The status after a sync that failed with `error`, or succeeded when it is empty.

    The newest three Accepted entries are kept, one older-style entry (Success or Failure) stands last.
    """
    message = f"Error: {error}" if error else "Success"
    accepted = {"type": "Accepted", "status": "False" if error else "True", "message": message}
    legacy = {"type": "Failure" if error else "Success", "status": "True", "message": message}
    history = [
        dict(c) for c in (kubelet_config.get("status") or {}).get("conditions") or () if c.get("type") == "Accepted"
    ]
    if history and history[-1].get("message") == message:
        history[-1]["lastTransitionTime"] = now
    else:
        history.append({**accepted, "lastTransitionTime": now})
    return {
        "observedGeneration": kubelet_config["metadata"].get("generation", 0),
        "conditions": [*history[-CONDITIONS_KEPT:], {**legacy, "lastTransitionTime": now}],
    }


def is_accepted(kubelet_config: Object) -> bool:
    """Whether its newest generation was synced without error; one that was not blocks rendering."""
    status = kubelet_config.get("status") or {}
    conditions = status.get("conditions") or []
    current = status.get("observedGeneration") == kubelet_config["metadata"].get("generation")
    return bool(conditions) and current and conditions[-1].get("type") == "Success"
