"""Profiles of node tuning: a node tells of its own tuning, and of nobody else's.

A role cannot say this, since one role serves all nodes; upstream limits nodes to their own Node object likewise
(NodeRestriction).
"""

from __future__ import annotations

from podsysctl.apiserver.admission.request import AdmissionRequest
from podsysctl.objects import status, tuning

NODE_PREFIX, NODES_GROUP = "system:node:", "system:nodes"


class NodeProfiles:
    """Refuses a node's write to the Profile of another name."""

    name = "podsysctl.dev/NodeProfile"

    async def mutate(self, request: AdmissionRequest) -> None:
        """Nothing."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse with 403."""
        kind = request.kind
        if (kind.group, kind.plural) != (tuning.GROUP, tuning.PROFILE.plural):
            return
        user = request.user
        if NODES_GROUP not in user.groups or not user.name.startswith(NODE_PREFIX):
            return
        own = user.name.removeprefix(NODE_PREFIX)
        if request.name != own or request.namespace != tuning.NAMESPACE:
            text = f"node {own} may only write the status of Profile {tuning.NAMESPACE}/{own}"
            raise status.forbidden(kind, request.name, text)
