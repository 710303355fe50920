"""SecurityContextConstraints and their roles that every OpenShift cluster has: made at start when absent.

The objects are the files of `deploy/scc/`. One that an administrator changed stays as it is.
"""

from __future__ import annotations

from podsysctl.apiserver import shipped_files, write
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.context import ServerContext
from podsysctl.policy.scc import constraint

_PLURALS = {
    "SecurityContextConstraints": (constraint.GROUP, constraint.PLURAL),
    "ClusterRole": ("rbac.authorization.k8s.io", "clusterroles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io", "clusterrolebindings"),
}


async def ensure_constraints(server: ServerContext) -> None:
    """Make what is missing. The definition of SecurityContextConstraints must be loaded. Raises PodsysctlError."""
    if not server.config.platform.has_constraints:
        return
    for obj in shipped_files.read_objects():
        resource = server.registry.get(*_PLURALS[obj["kind"]])
        name = obj["metadata"]["name"]
        if server.store.head(resource.bucket, resource.key("", name)) is None:
            own = write.Write(server, resource, SERVER, name=name, manager="podsysctl")
            await write.create_object(own, obj)
