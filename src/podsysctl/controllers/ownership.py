"""Who controls an object, and how a controller takes objects over or lets them go.

Source: Kubernetes 1.36 `pkg/controller/controller_ref_manager.go`: an object without a controller that the
selector matches is adopted, an own one that it does not match any more is released. The owner's uid is asked
of the API first, so that a deleted owner never adopts.
"""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.base.errors import StatusError
from podsysctl.client.rest import Client
from podsysctl.controllers.scope import Object, is_deleting, labels_of
from podsysctl.objects.kinds import Kind
from podsysctl.objects.selectors import LabelSelector


def controller_reference(obj: Object) -> Object | None:
    """The reference to the controller of an object."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: Object = reference
            return found
    return None


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Whether `owner` is the controller."""
    reference = controller_reference(obj)
    return reference is not None and reference.get("uid") == owner["metadata"]["uid"]


def make_reference(kind: Kind, owner: Object) -> Object:
    """The reference of a controller."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_index(obj: Object) -> Iterable[str]:
    """Index function: by the controller's uid, objects without one by `orphan/` and their namespace."""
    reference = controller_reference(obj)
    if reference is not None:
        return (str(reference.get("uid")),)
    return (f"orphan/{obj['metadata'].get('namespace', '')}",)


class Claims:
    """Adopts and releases objects of `kind` for one owner during one sync."""

    def __init__(self, client: Client, owner_kind: Kind, owner: Object, kind: Kind, selector: LabelSelector) -> None:
        self._client = client
        self._owner_kind = owner_kind
        self._owner = owner
        self._kind = kind
        self._selector = selector
        self._may_adopt: bool | None = None

    async def claim(self, objects: Iterable[Object]) -> list[Object]:
        """Of the objects given, those that are the owner's now."""
        uid, matches = self._owner["metadata"]["uid"], self._selector.matches
        out = []
        for obj in objects:
            reference = controller_reference(obj)
            settled = reference is not None and reference.get("uid") == uid and matches(labels_of(obj))
            if settled or await self._claim(obj):
                out.append(obj)
        return out

    async def _claim(self, obj: Object) -> bool:
        reference = controller_reference(obj)
        matches = self._selector.matches(labels_of(obj))
        if reference is not None:
            if reference.get("uid") != self._owner["metadata"]["uid"]:
                return False
            if matches:
                return True
            if not is_deleting(self._owner):
                await self._release(obj)
            return False
        if not matches or is_deleting(self._owner) or is_deleting(obj):
            return False
        return await self._adopt(obj)

    async def _adopt(self, obj: Object) -> bool:
        if self._may_adopt is None:
            self._may_adopt = await self._owner_is_live()
        if not self._may_adopt:
            return False
        metadata = obj["metadata"]
        patch = {
            "metadata": {
                "uid": metadata["uid"],
                "ownerReferences": [make_reference(self._owner_kind, self._owner)],
            }
        }
        return await self._patch(obj, patch)

    async def _owner_is_live(self) -> bool:
        metadata = self._owner["metadata"]
        try:
            fresh = await self._client.get(self._owner_kind, metadata["name"], metadata.get("namespace"))
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return bool(fresh["metadata"]["uid"] == metadata["uid"]) and not is_deleting(fresh)

    async def _release(self, obj: Object) -> None:
        metadata = obj["metadata"]
        patch = {
            "metadata": {
                "uid": metadata["uid"],
                "ownerReferences": [{"$patch": "delete", "uid": self._owner["metadata"]["uid"]}],
            }
        }
        await self._patch(obj, patch)

    async def _patch(self, obj: Object, patch: Object) -> bool:
        """False when the object is gone, or is another one by now."""
        metadata = obj["metadata"]
        try:
            await self._client.patch(
                self._kind,
                metadata["name"],
                patch,
                namespace=metadata.get("namespace"),
                patch_type="strategic",
            )
        except StatusError as error:
            if error.code in (404, 409, 422):
                return False
            raise
        return True
