"""Creating and deleting the pods of a controller, with upstream's events.

Source: Kubernetes 1.36 `pkg/controller/controller_utils.go` (RealPodControl).
"""

from __future__ import annotations

from podsysctl.base.errors import StatusError
from podsysctl.client.events import EventRecorder
from podsysctl.client.rest import Client
from podsysctl.controllers import ownership
from podsysctl.controllers.scope import PODS, Object
from podsysctl.objects.kinds import Kind
from podsysctl.objects.patch import tree

_NAME_PREFIX = 58
"""Longest generateName that leaves room for the random part."""


def from_template(template: Object, kind: Kind, owner: Object) -> Object:
    """A Pod as a template asks for it, named after its controller."""
    metadata = template.get("metadata") or {}
    made: Object = {
        "generateName": f"{owner['metadata']['name']}-"[:_NAME_PREFIX],
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [ownership.make_reference(kind, owner)],
    }
    for name in ("labels", "annotations"):
        if metadata.get(name):
            made[name] = dict(metadata[name])
    if metadata.get("finalizers"):
        made["finalizers"] = list(metadata["finalizers"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": tree.clone(template.get("spec") or {})}


def is_namespace_terminating(error: StatusError) -> bool:
    """Whether a create was refused because the namespace is going away, which no retry helps."""
    causes = error.details.causes if error.details else ()
    return any(cause.reason == "NamespaceTerminating" for cause in causes)


class PodControl:
    """Pods of one kind of controller."""

    def __init__(self, client: Client, recorder: EventRecorder) -> None:
        self._client = client
        self._recorder = recorder

    async def create(self, pod: Object, owner: Object) -> Object:
        """Create a pod. Raises StatusError, after an event unless the namespace is terminating."""
        try:
            created = await self._client.create(PODS, pod)
        except StatusError as error:
            if not is_namespace_terminating(error):
                self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        name = created["metadata"]["name"]
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {name}")
        return created

    async def delete(self, pod: Object, owner: Object) -> bool:
        """Delete a pod; False when it was gone already. Raises StatusError after an event."""
        metadata = pod["metadata"]
        try:
            await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except StatusError as error:
            if error.code in (404, 409):
                return False
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {metadata['name']}")
        return True
