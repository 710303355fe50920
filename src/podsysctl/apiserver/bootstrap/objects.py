"""Objects that always exist: namespaces, priority classes, default roles and bindings.

Present objects are left alone, but for default roles and bindings, which regain what they lost unless annotated
`rbac.authorization.kubernetes.io/autoupdate: "false"`, as upstream reconciles them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

import orjson

from podsysctl.apiserver import write
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.write import Object, Write
from podsysctl.base.errors import StatusError

_RBAC = "rbac.authorization.k8s.io"
_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
MANAGER = "podsysctl-apiserver"

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


async def ensure_all(server: ServerContext) -> None:
    """Write what is missing. Raises StatusError."""
    for name in NAMESPACES:
        await ensure(server, "", "namespaces", {"metadata": {"name": name}})
    for obj in _priority_classes():
        await ensure(server, "scheduling.k8s.io", "priorityclasses", obj)
    for plural, obj in default_roles():
        await _reconcile(server, plural, obj)


async def ensure(server: ServerContext, group: str, plural: str, obj: Object, namespace: str = "") -> None:
    """Create an object unless there is one of its name."""
    resource = server.registry.get(group, plural)
    name = obj["metadata"]["name"]
    if server.store.get(resource.bucket, resource.key(namespace, name)) is not None:
        return
    body = {"kind": resource.kind.kind, "apiVersion": resource.kind.api_version, **obj}
    task = Write(server=server, resource=resource, user=SERVER, namespace=namespace, manager=MANAGER)
    try:
        await write.create_object(task, orjson.loads(orjson.dumps(body)))
    except StatusError as error:
        if error.status_reason != "AlreadyExists":
            raise


def _priority_classes() -> Iterator[Object]:
    for name, value, text in (
        ("system-node-critical", 2000001000, "must not be moved from their current node."),
        (
            "system-cluster-critical",
            2000000000,
            "must run in the cluster, but can be moved to another node if necessary.",
        ),
    ):
        yield {
            "metadata": {"name": name},
            "value": value,
            "description": f"Used for system critical pods that {text}",
            "preemptionPolicy": "PreemptLowerPriority",
        }


def default_roles() -> Iterator[tuple[str, Object]]:
    """Default roles and bindings as (plural, object)."""
    table = tomllib.loads(resources.files(__package__).joinpath("roles.toml").read_text())
    for row in table.get("role", ()):
        labels = {**_BOOTSTRAPPING, **row.get("labels", {})}
        metadata = {"name": row["name"], "labels": labels, "annotations": {_AUTOUPDATE: "true"}}
        obj: dict[str, Any] = {"metadata": metadata, "rules": row.get("rules", [])}
        if "aggregate" in row:
            selector = {"matchLabels": {row["aggregate"]: "true"}}
            obj["aggregationRule"] = {"clusterRoleSelectors": [selector]}
        yield "clusterroles", obj
    for row in table.get("binding", ()):
        metadata = {"name": row["name"], "labels": _BOOTSTRAPPING, "annotations": {_AUTOUPDATE: "true"}}
        subjects = [{"kind": kind, "name": name, "apiGroup": _RBAC} for kind, name in row["subjects"]]
        reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": row["role"]}
        yield "clusterrolebindings", {"metadata": metadata, "roleRef": reference, "subjects": subjects}


async def _reconcile(server: ServerContext, plural: str, wanted: Object) -> None:
    resource = server.registry.get(_RBAC, plural)
    name = wanted["metadata"]["name"]
    item = server.store.get(resource.bucket, name)
    if item is None:
        await ensure(server, _RBAC, plural, wanted)
        return
    stored = orjson.loads(item.data)
    if (stored["metadata"].get("annotations") or {}).get(_AUTOUPDATE) == "false":
        return
    key = "rules" if plural == "clusterroles" else "subjects"
    missing = [entry for entry in wanted.get(key, ()) if entry not in (stored.get(key) or ())]
    if not missing or "aggregationRule" in wanted:
        return

    def change(old: Object | None) -> Object:
        current = old or stored
        return {**current, key: [*(current.get(key) or ()), *missing]}

    task = Write(server=server, resource=resource, user=SERVER, name=name, manager=MANAGER)
    await write.update_object(task, change)
