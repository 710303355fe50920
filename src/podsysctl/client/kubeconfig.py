"""Writing kubeconfig files: the one that `up` makes, and changes to the user's own.

Files hold private keys: mode 0600, replaced in one step, so that a crash leaves the old one whole.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from podsysctl.base import durable
from podsysctl.base.errors import PodsysctlError


def document(
    *,
    server: str,
    ca: bytes = b"",
    client_cert: bytes = b"",
    client_key: bytes = b"",
    token: str = "",
    cluster: str = "podsysctl",
    user: str = "admin",
    context: str = "",
    namespace: str = "default",
) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context; certificates are PEM and go in inline."""
    where: dict[str, Any] = {"server": server}
    if ca:
        where["certificate-authority-data"] = base64.b64encode(ca).decode()
    who: dict[str, Any] = {}
    if client_cert:
        who["client-certificate-data"] = base64.b64encode(client_cert).decode()
        who["client-key-data"] = base64.b64encode(client_key).decode()
    if token:
        who["token"] = token
    context = context or cluster
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": where}],
        "users": [{"name": user, "user": who}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user, "namespace": namespace}}],
        "current-context": context,
        "preferences": {},
    }


def renewed(existing: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig with the cluster and the user of `own` in it, and all else as it is.

    What people choose stays theirs: the current context, its namespace, and entries of other names. The context of
    `own` is added when there is none of its name, and becomes the current one when no other is.
    """
    out = {**own, **existing}
    for section in ("clusters", "users", "contexts"):
        found = existing.get(section)
        kept = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
        fresh = {entry["name"]: entry for entry in own[section]}
        names = {entry.get("name") for entry in kept}
        if section != "contexts":
            kept = [fresh.get(entry.get("name"), entry) for entry in kept]
        out[section] = kept + [entry for name, entry in fresh.items() if name not in names]
    out["current-context"] = existing.get("current-context") or own["current-context"]
    return out


def write(path: str | Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, mode 0600; a symbolic link stays one. Raises PodsysctlError naming the path."""
    import yaml

    target = Path(path)
    text = yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.write(target.resolve(), text)
    except OSError as error:
        raise PodsysctlError(f"cannot write kubeconfig {target}: {error.strerror}") from error
