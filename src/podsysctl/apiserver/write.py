"""create and update: the one road of every object into the store.

Create: names and namespace, defaults, mutating admission, strategy, managed fields, validation, validating
admission, store. Update is the same on top of the stored object, tried again when somebody else was quicker and
the client did not insist on a resourceVersion. Order as Kubernetes 1.36 `registry/generic/registry/store.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from podsysctl.apiserver import lifecycle, metrics, unattended
from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest
from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.definitions import names
from podsysctl.apiserver.resource import Resource
from podsysctl.apiserver.shape import load
from podsysctl.apiserver.store import KeyExistsError, StaleError
from podsysctl.apiserver.storeindex import Item
from podsysctl.base import limits
from podsysctl.base.errors import StatusError
from podsysctl.objects import fielderrors, status
from podsysctl.policy.verdict import Gate

Object = dict[str, Any]
Change = Callable[[Object | None], Object]
"""From the stored object (None: there is none) to the wanted one; must not change its argument."""

_NAME_TRIES = 8
_MAIN_PATHS = ("", "scale")
"""Subresources whose writes follow the rules of the object itself."""


@dataclass(slots=True, eq=False)
class Write:
    """One write on its way: who writes what, and how."""

    server: ServerContext
    resource: Resource
    user: UserInfo
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    dry_run: bool = False
    manager: str = "unknown"
    is_patch: bool = False
    is_apply: bool = False
    internal: bool = False
    """A change of the server's own, such as a binding: stored as it is, without admission and strategy."""
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where the object is filed."""
        return self.resource.key(self.namespace, self.name)

    def warn(self, text: str) -> None:
        """Tell the client something; each text once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def admission(self, operation: str, obj: Object | None, old: Object | None) -> AdmissionRequest:
        """The write as admission sees it."""
        is_namespace = self.resource.type_key == "/namespaces"
        name = self.name or str(((obj or {}).get("metadata") or {}).get("name") or "")
        return AdmissionRequest(
            server=self.server,
            operation=operation,
            resource=self.resource,
            namespace=name if is_namespace else self.namespace,
            name=self.name,
            user=self.user,
            object=obj,
            old_object=old,
            subresource=self.subresource,
            dry_run=self.dry_run,
            warn=self.warn,
            annotations=self.annotations,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left: the object, and its stored form unless it was a dry run or a deletion."""

    object: Object
    item: Item | None = None
    created: bool = False


async def create_object(write: Write, obj: Object) -> Written:
    """Make a new object, which is changed in place. Raises StatusError."""
    server, resource = write.server, write.resource
    metadata = lifecycle.metadata_of(obj)
    lifecycle.match_namespace(obj, write.namespace if resource.kind.namespaced else "")
    if metadata.get("resourceVersion"):
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    lifecycle.stamp_new(obj, server.now())
    lifecycle.apply_defaults(resource, obj)
    if not write.is_patch:
        lifecycle.drop_double_owners(obj, write.warn, admitted=False)
    _record_managers(write, obj, None)
    request = write.admission(CREATE, obj, None)
    await server.admission.mutate(request)
    lifecycle.drop_double_owners(obj, write.warn, admitted=True)
    if metadata.get("name") or not metadata.get("generateName"):
        return await _finish_new(write, obj, request)
    packed = orjson.dumps(obj)
    for _ in range(_NAME_TRIES):
        named: Object = orjson.loads(packed)
        named["metadata"]["name"] = lifecycle.generate_name(metadata["generateName"])
        request.object = named
        try:
            return await _finish_new(write, named, request)
        except StatusError as error:
            if error.status_reason != "AlreadyExists":
                raise
            write.name = ""
    raise status.generate_name_conflict(resource.kind, named["metadata"]["name"])


async def _finish_new(write: Write, obj: Object, request: AdmissionRequest) -> Written:
    """From a named object to the store."""
    resource = write.resource
    lifecycle.prepare_create(resource, obj, write.warn)
    _settle_definition(write, obj)
    errors = lifecycle.validate(resource, obj)
    name = str(obj["metadata"].get("name") or "")
    if errors:
        metrics.refused(request, Gate.VALIDATION, "Invalid")
        raise status.invalid(resource.kind, name, errors)
    for text in (*lifecycle.warnings(resource, obj, None), *unattended.warnings(resource, name)):
        write.warn(text)
    write.name = request.name = name
    await write.server.admission.validate(request)
    try:
        return await _store_new(write, obj)
    except KeyExistsError as error:
        raise status.already_exists(resource.kind, name) from error


def _settle_definition(write: Write, obj: Object) -> None:
    """A definition's names are settled as it is written; one that cannot be read is left to validation."""
    if write.resource.type_key != "apiextensions.k8s.io/customresourcedefinitions":
        return
    spec = obj.get("spec") or {}
    if spec.get("versions") and spec.get("names"):
        names.settle(obj, write.server.definitions.all(), write.server.now())


def _record_managers(write: Write, obj: Object, old: Object | None) -> None:
    """Managed fields name what the client sent, so they are recorded before admission adds to it."""
    if not write.is_apply:
        lifecycle.record_managers(
            write.resource,
            obj,
            old,
            manager=write.manager,
            subresource=write.subresource,
            clock=write.server.clock,
        )


async def _store_new(write: Write, obj: Object) -> Written:
    store, bucket = write.server.store, write.resource.bucket
    if write.dry_run:
        if store.head(bucket, write.key) is not None:
            raise KeyExistsError(f"{bucket} {write.key} exists")
        return Written(obj, created=True)
    item = await store.create(bucket, write.key, to_storage(write.resource, obj))
    obj["metadata"]["resourceVersion"] = str(item.rev)
    if write.resource.type_key == "/namespaces" and write.server.fill_namespace is not None:
        await write.server.fill_namespace(write.name)
    return Written(obj, item, created=True)


def to_storage(resource: Resource, obj: Object) -> Object:
    """The stored form of an object."""
    return resource.to_storage(obj) if resource.to_storage else obj


async def update_object(write: Write, change: Change, *, create_ok: bool = False) -> Written:
    """Change a stored object. With `create_ok`, one that is not there is made. Raises StatusError."""
    store, resource = write.server.store, write.resource
    for _ in range(limits.PATCH_RETRIES * 4):
        item = store.head(resource.bucket, write.key)
        if item is None:
            if not create_ok:
                raise status.not_found(resource.kind, write.name)
            made = change(None)
            lifecycle.match_name(made, write.name)
            return await create_object(write, made)
        old = load(resource, item)
        obj = change(old)
        conditional = _check_version(write, obj, old, item)
        if not write.internal:
            await _prepare_update(write, obj, old)
        try:
            return await _store_changed(write, obj, old, item)
        except StaleError as error:
            if conditional:
                raise status.conflict(resource.kind, write.name) from error
    raise status.conflict(resource.kind, write.name)


def _check_version(write: Write, obj: Object, old: Object, item: Item) -> bool:
    """Whether the client insists on a version; that version must be the stored one. Raises StatusError."""
    metadata = lifecycle.metadata_of(obj)
    version, uid = metadata.get("resourceVersion"), metadata.get("uid")
    stored_uid = old["metadata"].get("uid")
    if uid and uid != stored_uid:
        text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored_uid}"
        raise status.conflict(write.resource.kind, write.name, text)
    if version:
        if version != str(item.rev):
            raise status.conflict(write.resource.kind, write.name)
        return True
    lenient = write.is_apply or write.internal
    if not write.resource.rules.unconditional_update and not lenient:
        error = fielderrors.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        kind = write.resource.kind
        raise status.invalid_kind(kind.group, kind.plural, write.name, [error])
    metadata["resourceVersion"] = str(item.rev)
    return False


async def _prepare_update(write: Write, obj: Object, old: Object) -> None:
    """Everything between the wanted object and the store. Raises StatusError."""
    server, resource = write.server, write.resource
    lifecycle.match_namespace(obj, write.namespace if resource.kind.namespaced else "")
    lifecycle.match_name(obj, write.name)
    lifecycle.apply_defaults(resource, obj)
    if not write.is_patch:
        lifecycle.drop_double_owners(obj, write.warn, admitted=False)
    _record_managers(write, obj, old)
    request = write.admission(UPDATE, obj, old)
    await server.admission.mutate(request)
    lifecycle.drop_double_owners(obj, write.warn, admitted=True)
    path = "" if write.subresource in _MAIN_PATHS else write.subresource
    lifecycle.prepare_update(resource, obj, old, path)
    if not write.subresource:
        _settle_definition(write, obj)
    lifecycle.keep_manager_times(obj, old)
    errors = lifecycle.validate(resource, obj, old, path)
    if errors:
        raise status.invalid(resource.kind, write.name, errors)
    for text in lifecycle.warnings(resource, obj, old, path):
        write.warn(text)
    await server.admission.validate(request)


async def _store_changed(write: Write, obj: Object, old: Object, item: Item) -> Written:
    store, resource = write.server.store, write.resource
    ends = is_finished(resource, obj, old)
    if write.dry_run:
        obj["metadata"]["resourceVersion"] = str(item.rev)
        return Written(obj)
    stored = to_storage(resource, obj)
    if ends:
        await store.delete(resource.bucket, write.key, stored, item.rev)
        obj["metadata"]["resourceVersion"] = str(item.rev)
        return Written(obj)
    new = await store.update(resource.bucket, write.key, stored, item.rev)
    obj["metadata"]["resourceVersion"] = str(new.rev)
    return Written(obj, new)


def is_finished(resource: Resource, obj: Object, old: Object) -> bool:
    """Whether an update took the last thing that kept a deleted object alive."""
    stored = old["metadata"]
    if not stored.get("deletionTimestamp") or obj["metadata"].get("finalizers"):
        return False
    if stored.get("deletionGracePeriodSeconds"):
        return False
    return not (resource.type_key == "/namespaces" and (obj.get("spec") or {}).get("finalizers"))
