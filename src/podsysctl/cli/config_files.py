"""The user's kubeconfig as it is written: read whole, and changed in the file that holds the entry."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.cli import connect
from podsysctl.client import config, kubeconfig


def read(args: argparse.Namespace) -> dict[str, Any]:
    """The merged kubeconfig."""
    return config.read_kubeconfig(connect.kubeconfig_paths(args), must_exist=bool(args.kubeconfig))


def context_name(args: argparse.Namespace, document: dict[str, Any]) -> str:
    """The context in use. Raises UsageError."""
    name = args.context or document.get("current-context")
    if not name:
        raise UsageError("current-context is not set")
    return str(name)


def find_context(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A context's entry. Raises UsageError."""
    for entry in document.get("contexts") or []:
        if entry.get("name") == name:
            return dict(entry.get("context") or {})
    raise UsageError(f'no context exists with the name: "{name}"')


def _file_with(paths: list[Path], holds: Any) -> Path:
    """The first file for which `holds` is true, else the first that exists, else the first."""
    existing = [p for p in paths if p.exists()]
    for path in existing:
        if holds(config.read_kubeconfig([path])):
            return path
    return existing[0] if existing else paths[0]


def _load(path: Path) -> dict[str, Any]:
    return config.read_file(path) if path.exists() else {"apiVersion": "v1", "kind": "Config"}


def set_current_context(args: argparse.Namespace, name: str) -> None:
    """Make a context the one in use. Raises UsageError when there is no such context."""
    find_context(read(args), name)
    path = _file_with(connect.kubeconfig_paths(args), lambda d: bool(d.get("current-context")))
    document = _load(path)
    document["current-context"] = name
    kubeconfig.write(path, document)


def change_context(args: argparse.Namespace, name: str, changes: dict[str, str]) -> bool:
    """Change fields of a context, or add it; whether it existed."""
    paths = connect.kubeconfig_paths(args)
    path = _file_with(paths, lambda d: any(e.get("name") == name for e in d.get("contexts") or []))
    document = _load(path)
    entries = document.setdefault("contexts", [])
    for entry in entries:
        if entry.get("name") == name:
            entry["context"] = {**(entry.get("context") or {}), **changes}
            break
    else:
        entries.append({"name": name, "context": changes})
        kubeconfig.write(path, document)
        return False
    kubeconfig.write(path, document)
    return True
