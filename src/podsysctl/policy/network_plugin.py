"""What one plugin's configuration in a NetworkAttachmentDefinition would set, and whether it hides any of it. Pure.

Step in the path: before anything is judged. CNI plugins are Go programs: they read member names without regard to case,
and run other plugins that a member such as `ipam` names. Whoever judges sysctls must see what the plugin will see, so
what is spelled otherwise, or handed to the tuning plugin by the way, is refused.
Sources: Go encoding/json (Unmarshal), cni pkg/invoke (delegates), plugins meta/tuning/tuning.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.base import limits

TUNING_TYPES = ("tuning", "podsysctl-tuning")
"""Plugins that set sysctls: upstream's and ours, which takes its place on a node of this program."""

_SPELLINGS = {
    name.lower(): name
    for name in (
        "type", "ipam", "delegate", "bridge", "sysctl", "args", "cni", "dataDir", "mode", "allowlist", "capabilities",
        "runtimeConfig", "prevResult", "plugins",
    )
}  # fmt: skip
"""Members that decide what is run and set, by their name in small letters."""

_DATA = "sysctl"
"""The member whose own members are no words of a configuration."""


def sysctls(plugin: Mapping[str, Any]) -> dict[str, Any]:
    """The values by key, as written, that a tuning plugin of this configuration is given; none for other plugins.

    >>> sysctls({"type": "tuning", "sysctl": {"a": "1"}, "args": {"cni": {"sysctl": {"b": "2"}}}})
    {'a': '1', 'b': '2'}
    """
    if plugin.get("type") not in TUNING_TYPES:
        return {}
    arguments = plugin.get("args")
    more = arguments.get("cni") if isinstance(arguments, dict) else None
    out: dict[str, Any] = {}
    for values in (plugin.get("sysctl"), more.get("sysctl") if isinstance(more, dict) else None):
        out.update(values if isinstance(values, dict) else {})
    return out


def find_problem(plugin: Mapping[str, Any]) -> str | None:
    """Why this configuration cannot be judged; None when it can.

    >>> find_problem({"type": "tuning", "SysCtl": {}})
    'member "SysCtl" must be spelled "sysctl"'
    >>> find_problem({"type": "bridge", "ipam": {"type": "tuning"}})
    'plugin tuning must be an element of plugins, and not run by another one through ipam'
    """
    waiting: list[tuple[Any, str | None, int]] = [(plugin, "", 1)]  # a node, what names it (None: data), its depth
    while waiting:
        node, owner, depth = waiting.pop()
        if depth > limits.CNI_CONFIG_DEPTH:
            return f"it is nested more than {limits.CNI_CONFIG_DEPTH} deep"
        if isinstance(node, list):
            waiting += [(item, owner, depth + 1) for item in node]
        for key, value in node.items() if isinstance(node, dict) else ():
            name = key if owner is None else _SPELLINGS.get(_fold(key), key)
            if name != key:
                return f'member "{key}" must be spelled "{name}"'
            if name == "type" and owner and value in TUNING_TYPES:
                return f"plugin {value} must be an element of plugins, and not run by another one through {owner}"
            waiting.append((value, None if owner is None or name == _DATA else name, depth + 1))
    return None


def _fold(name: str) -> str:
    """As Go compares names: the long s and the sign of Kelvin are letters of English as well."""
    return name.lower().replace("\u017f", "s").replace("\u212a", "k")
