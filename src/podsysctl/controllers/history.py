"""Revisions of a pod template, kept as ControllerRevisions by DaemonSets and StatefulSets.

Source: Kubernetes 1.36 `pkg/controller/history`, `pkg/controller/daemon/update.go`. kubectl's `rollout history`
and `rollout undo` read them: their data is a patch that replaces the template.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from podsysctl.base.errors import StatusError
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.controllers import ownership
from podsysctl.controllers.deployment.revisions import template_hash
from podsysctl.controllers.scope import CONTROLLER_REVISIONS, Object, labels_of
from podsysctl.objects import selectors
from podsysctl.objects.kinds import Kind
from podsysctl.objects.patch import tree

HASH_LABEL = "controller-revision-hash"


class History:
    """The revisions of the owners of one kind."""

    def __init__(self, client: Client, informer: Informer, kind: Kind) -> None:
        self._client = client
        self._informer = informer
        self._kind = kind
        informer.add_index("controller", ownership.controller_index)

    async def revisions(self, owner: Object) -> list[Object]:
        """The revisions of an owner, adopted ones included, by number."""
        selector = selectors.from_object(owner["spec"].get("selector"))
        claims = ownership.Claims(self._client, self._kind, owner, CONTROLLER_REVISIONS, selector)
        mine = self._informer.by_index("controller", owner["metadata"]["uid"])
        orphans = self._informer.by_index("controller", f"orphan/{owner['metadata']['namespace']}")
        return sorted(await claims.claim([*mine, *orphans]), key=number)

    async def current(self, owner: Object) -> tuple[Object, list[Object]]:
        """The revision of the owner's template, made or renumbered as needed, and the older ones."""
        known = await self.revisions(owner)
        data = template_patch(owner)
        same = [entry for entry in known if entry.get("data") == data]
        old = [entry for entry in known if entry.get("data") != data]
        wanted = max((number(entry) for entry in old), default=0) + 1
        if not same:
            return await self._make(owner, data, wanted), old
        newest = same[-1]
        if number(newest) < wanted:
            newest = await self._client.update(CONTROLLER_REVISIONS, {**newest, "revision": wanted})
        return newest, old

    async def _make(self, owner: Object, data: Object, revision: int) -> Object:
        template = owner["spec"]["template"]
        collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
        digest = template_hash(template, collisions)
        labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: digest}
        made: Object = {
            "apiVersion": CONTROLLER_REVISIONS.api_version,
            "kind": CONTROLLER_REVISIONS.kind,
            "metadata": {
                "name": f"{owner['metadata']['name']}-{digest}",
                "namespace": owner["metadata"]["namespace"],
                "labels": labels,
                "annotations": dict(owner["metadata"].get("annotations") or {}),
                "ownerReferences": [ownership.make_reference(self._kind, owner)],
            },
            "data": data,
            "revision": revision,
        }
        try:
            return await self._client.create(CONTROLLER_REVISIONS, made)
        except StatusError as error:
            if error.code != 409 or error.status_reason != "AlreadyExists":
                raise
        metadata = made["metadata"]
        existing = await self._client.get(CONTROLLER_REVISIONS, metadata["name"], metadata["namespace"])
        if existing.get("data") == data and ownership.is_controlled_by(existing, owner):
            return existing
        status = {**(owner.get("status") or {}), "collisionCount": collisions + 1}
        await self._client.update(self._kind, {**owner, "status": status}, "status")
        raise StatusError(409, "AlreadyExists", f'controllerrevisions.apps "{metadata["name"]}" already exists')

    async def clean_up(self, owner: Object, old: Iterable[Object], in_use: Collection[str]) -> None:
        """Delete the oldest revisions beyond the limit that no pod carries."""
        limit = owner["spec"].get("revisionHistoryLimit")
        listed = sorted(old, key=number)
        surplus = len(listed) - (10 if limit is None else int(limit))
        for entry in listed:
            if surplus <= 0:
                return
            if hash_of(entry) in in_use:
                continue
            metadata = entry["metadata"]
            try:
                await self._client.delete(CONTROLLER_REVISIONS, metadata["name"], metadata["namespace"])
            except StatusError as error:
                if error.code != 404:
                    raise
            surplus -= 1


def number(revision: Object) -> int:
    """The number of a revision."""
    return int(revision.get("revision") or 0)


def hash_of(revision: Object) -> str:
    """The hash that pods of a revision carry."""
    return str(labels_of(revision).get(HASH_LABEL) or revision["metadata"]["name"])


def template_patch(owner: Object) -> Object:
    """The data of a revision: a strategic patch that replaces the template."""
    template = tree.clone(owner["spec"]["template"])
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def template_of(revision: Object) -> Object:
    """The template that a revision holds."""
    template = tree.clone(((revision.get("data") or {}).get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    found: Object = template
    return found
