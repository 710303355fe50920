"""SecurityContextConstraints and their roles that every OpenShift cluster has: made at start when absent.

The objects are the files of `deploy/scc/`. One that an administrator changed stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from podsysctl.apiserver import write
from podsysctl.apiserver.auth.user import SERVER
from podsysctl.apiserver.config import REPOSITORY_CONSTRAINTS
from podsysctl.apiserver.context import ServerContext
from podsysctl.base.errors import PodsysctlError
from podsysctl.policy.scc import constraint

_PLURALS = {
    "SecurityContextConstraints": (constraint.GROUP, constraint.PLURAL),
    "ClusterRole": ("rbac.authorization.k8s.io", "clusterroles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io", "clusterrolebindings"),
}


async def ensure_constraints(server: ServerContext, directory: Path = REPOSITORY_CONSTRAINTS) -> None:
    """Make what is missing. The definition of SecurityContextConstraints must be loaded. Raises PodsysctlError."""
    if not server.config.platform.has_constraints:
        return
    for obj in read_objects(directory):
        resource = server.registry.get(*_PLURALS[obj["kind"]])
        name = obj["metadata"]["name"]
        if server.store.head(resource.bucket, resource.key("", name)) is None:
            own = write.Write(server, resource, SERVER, name=name, manager="podsysctl")
            await write.create_object(own, obj)


def read_objects(directory: Path = REPOSITORY_CONSTRAINTS) -> Iterator[dict[str, Any]]:
    """The shipped objects, file by file. Raises PodsysctlError when they cannot be read."""
    try:
        for path in sorted(directory.glob("*.yaml")):
            yield from yaml.load_all(path.read_text(), yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise PodsysctlError(f"{directory}: shipped constraints cannot be read: {error}") from error
