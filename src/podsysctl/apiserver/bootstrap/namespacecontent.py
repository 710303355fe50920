"""What every namespace holds from its first moment: the default ServiceAccount and the cluster's CA.

Upstream's controllers add them a moment later; here the answer to a namespace's creation waits for them, so that
a pod can follow at once, and upkeep adds what is missing later.
Source: Kubernetes 1.36 `pkg/controller/{serviceaccount,certificates/rootcacertpublisher}`.
"""

from __future__ import annotations

from podsysctl.apiserver.bootstrap.objects import ensure
from podsysctl.apiserver.context import ServerContext
from podsysctl.base.errors import StatusError

ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


async def fill(server: ServerContext, namespace: str) -> None:
    """Add what is missing to a namespace, unless it is already going."""
    annotations = {"kubernetes.io/description": _DESCRIPTION}
    authority = {
        "metadata": {"name": ROOT_CA, "annotations": annotations},
        "data": {"ca.crt": server.authority.ca_pem.decode()},
    }
    try:
        await ensure(server, "", "serviceaccounts", {"metadata": {"name": "default"}}, namespace)
        await ensure(server, "", "configmaps", authority, namespace)
    except StatusError as error:
        if error.code not in (403, 404):
            raise
