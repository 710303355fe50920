"""What profiles of nodes on this machine say of a parameter, from what the cluster's process writes down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podsysctl.kernel.settings import Source
from podsysctl.node.tuning import files
from podsysctl.sysctls.name import SysctlName


def of_profiles(name: SysctlName, data_dir: Path) -> list[Source]:
    """The value before the profile, what profiles want in vain, and what was applied last."""
    state = files.read_state(data_dir)
    applied = [item for item in state.get("applied") or () if item["name"] == name.dotted]
    refused = [item for item in state.get("refused") or () if item["name"] == name.dotted]
    out = [Source("before the profile", "undo journal", item["original"]) for item in applied if item["original"]]
    for item in refused:
        out.append(Source("Tuned", f"{item['said']}, node {_nodes(item)}, not applied: {item['why']}", item["value"]))
    for item in applied:
        what = f"{item['said']}, node {_nodes(item)}"
        out.append(Source("Tuned", f"{what}, met already" if item["satisfied"] else what, item["value"]))
    return out


def _nodes(item: dict[str, Any]) -> str:
    return ", ".join(item.get("nodes") or ())
