"""DELETE and deletecollection: at once, gracefully, or when the last finalizer is gone.

Source: Kubernetes 1.36 `apiserver/pkg/registry/{rest/delete.go,generic/registry/store.go}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from podsysctl.apiserver import body as bodies
from podsysctl.apiserver import get_list, options, respond, selection
from podsysctl.apiserver.admission.request import DELETE
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.definitions import names
from podsysctl.apiserver.negotiate import JSON, PROTOBUF, YAML
from podsysctl.apiserver.requestinfo import is_true
from podsysctl.apiserver.shape import load
from podsysctl.apiserver.store import StaleError
from podsysctl.apiserver.storeindex import Item
from podsysctl.apiserver.write import Object, Write, to_storage
from podsysctl.base.clock import format_time, parse_time, shifted
from podsysctl.base.errors import StatusError
from podsysctl.objects import fielderrors, kinds, status
from podsysctl.objects import schema as schemas

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = ("Background", "Foreground", "Orphan")
_TRIES = 20

_OPTIONS_KIND = kinds.Kind(
    group="",
    version="v1",
    kind="DeleteOptions",
    plural="deleteoptions",
    singular="",
    namespaced=False,
    type_name="meta/v1.DeleteOptions",
)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`meta/v1.DeleteOptions`, understood. `grace_s` is None when not given."""

    grace_s: int | None = None
    uid: str = ""
    resource_version: str = ""
    policy: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """The last state of an object, and whether it is gone already."""

    object: Object
    gone: bool


async def delete(call: Call) -> web.StreamResponse:
    """DELETE of one object."""
    respond.output_of(call)
    wanted = await read_options(call)
    result = await delete_object(write_of(call, wanted), wanted)
    return respond.send_other(call, _answer(call, result))


def _answer(call: Call, result: Deleted) -> Object:
    """The object while it lives on (and a pod or namespace always), else a Status that names it."""
    if not result.gone or call.resource.type_key == "/pods":
        return result.object
    kind, metadata = call.resource.kind, result.object["metadata"]
    details: Object = {"name": metadata["name"], "kind": kind.plural, "uid": metadata.get("uid", "")}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def delete_collection(call: Call) -> web.StreamResponse:
    """DELETE of all objects that the selectors match; answers with their last states."""
    respond.output_of(call)
    listing = options.parse_list(call.query, watch=False)
    chosen = selection.parse(call.resource, listing)
    wanted = await read_options(call)
    page = await get_list.read_page(call, listing, chosen)
    out = []
    for item in page.items:
        namespace, _, name = item.key.rpartition("/")
        one = write_of(call, wanted)
        one.namespace, one.name = namespace, name
        try:
            out.append((await delete_object(one, wanted)).object)
        except StatusError as error:
            if error.code != 404:
                raise
        await asyncio.sleep(0)
    kind = call.resource.kind
    metadata = {"resourceVersion": str(call.store.revision)}
    listed = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": out}
    return respond.send_other(call, listed)


def write_of(call: Call, wanted: DeleteOptions) -> Write:
    """The write that a DELETE asks for."""
    return Write(
        server=call.server,
        resource=call.resource,
        user=call.user,
        namespace=call.info.namespace,
        name=call.info.name,
        dry_run=wanted.dry_run,
        warnings=call.warnings,
        annotations=call.audit,
    )


async def read_options(call: Call) -> DeleteOptions:
    """Options from the body, or from the query when there is none. Raises StatusError 400 and 422."""
    raw = await bodies.read(call.http)
    if raw:
        media = bodies.media_type(call.http)
        if media in (PROTOBUF, YAML) or raw.lstrip()[:1] == b"{":
            kind = _OPTIONS_KIND
            value = bodies.decode_as(call.http, _with_group(raw, media), schemas.builtin(kind.type_name), kind)
            return parse_options(value.object, call.query.get("dryRun"))
        raise status.bad_request("decoded object cannot be converted to DeleteOptions")
    query = call.query
    found: Object = {}
    if "gracePeriodSeconds" in query:
        found["gracePeriodSeconds"] = options.integer(query, "gracePeriodSeconds")
    if "propagationPolicy" in query:
        found["propagationPolicy"] = query["propagationPolicy"]
    if "orphanDependents" in query:
        found["orphanDependents"] = is_true(query["orphanDependents"])
    return parse_options(found, query.get("dryRun"))


def _with_group(raw: bytes, media: str) -> bytes:
    """DeleteOptions exist in every group; all of them are one."""
    if media != JSON:
        return raw
    try:
        value = bodies.loads(raw)
    except ValueError:
        return raw
    if isinstance(value, dict) and value.get("kind") in (None, "", "DeleteOptions"):
        value["kind"], value["apiVersion"] = "DeleteOptions", "v1"
        return bodies.dumps(value)
    return raw


def parse_options(raw: Object, query_dry_run: str | None = None) -> DeleteOptions:
    """Raises StatusError 422 for values that do not exist or contradict each other."""
    errors = []
    dry_run = raw.get("dryRun") or ([query_dry_run] if query_dry_run is not None else [])
    errors += options.dry_run_errors(dry_run)
    policy, orphan = raw.get("propagationPolicy") or "", raw.get("orphanDependents")
    if policy and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(fielderrors.invalid("propagationPolicy", policy, text))
    if policy and policy not in _POLICIES:
        errors.append(fielderrors.not_supported("propagationPolicy", policy, ("Foreground", "Background", "Orphan")))
    if errors:
        raise status.invalid_kind("meta.k8s.io", "DeleteOptions", "", errors)
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    conditions = raw.get("preconditions") or {}
    grace = raw.get("gracePeriodSeconds")
    return DeleteOptions(
        grace_s=None if grace is None else (1 if int(grace) < 0 else int(grace)),
        uid=conditions.get("uid") or "",
        resource_version=conditions.get("resourceVersion") or "",
        policy=policy,
        dry_run=bool(dry_run),
    )


async def delete_object(
    write: Write, wanted: DeleteOptions, mark: Callable[[Object], None] | None = None
) -> Deleted:
    """Delete one object, or begin to; `mark` writes the reason into its last states. Raises StatusError."""
    store, resource = write.server.store, write.resource
    for _ in range(_TRIES):
        item = store.head(resource.bucket, write.key)
        if item is None:
            raise status.not_found(resource.kind, write.name)
        obj = load(resource, item)
        _check_preconditions(write, wanted, obj)
        _check_namespace(write, obj)
        request = write.admission(DELETE, None, load(resource, item))
        await write.server.admission.mutate(request)
        await write.server.admission.validate(request)
        if mark is not None:
            mark(obj)
        try:
            return await _delete_version(write, wanted, obj, item)
        except StaleError as error:
            if wanted.resource_version:
                raise status.conflict(resource.kind, write.name) from error
    raise status.conflict(resource.kind, write.name)


def _check_preconditions(write: Write, wanted: DeleteOptions, obj: Object) -> None:
    metadata = obj["metadata"]
    if wanted.uid and wanted.uid != metadata.get("uid"):
        raise _precondition(
            write,
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record ({metadata.get('uid')}). "
            "The object might have been deleted and then recreated",
        )
    if wanted.resource_version and wanted.resource_version != metadata.get("resourceVersion"):
        raise _precondition(
            write,
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match the ResourceVersion "
            f"in record ({metadata.get('resourceVersion')}). The object might have been modified",
        )


def _check_namespace(write: Write, obj: Object) -> None:
    """A namespace that is going already cannot be deleted again."""
    if write.resource.type_key != "/namespaces" or not obj["metadata"].get("deletionTimestamp"):
        return
    if (obj.get("spec") or {}).get("finalizers"):
        text = (
            "The system is ensuring all content is removed from this namespace.  "
            "Upon completion, this namespace will automatically be purged by the system."
        )
        raise status.conflict(write.resource.kind, write.name, text)


def _precondition(write: Write, text: str) -> StatusError:
    """Upstream names the kind here, not the resource."""
    return status.conflict(write.resource.kind, write.name, text)


async def _delete_version(write: Write, wanted: DeleteOptions, obj: Object, item: Item) -> Deleted:
    """Delete the version `item`, decoded as `obj`. Raises StaleError when it is not the newest."""
    metadata = obj["metadata"]
    is_definition = write.resource.type_key == "apiextensions.k8s.io/customresourcedefinitions"
    if is_definition and not metadata.get("deletionTimestamp"):
        names.mark_deleting(obj, write.server.now())
    graceful, pending = _begin_grace(write, wanted, obj)
    if pending:
        return Deleted(obj, False)
    finalizers = garbage_finalizers(metadata.get("finalizers") or [], wanted.policy)
    changed = set(finalizers) != set(metadata.get("finalizers") or [])
    if changed:
        metadata["finalizers"] = finalizers
    if not finalizers:
        metadata.pop("finalizers", None)
    is_namespace = write.resource.type_key == "/namespaces"
    held = bool(finalizers) or (is_namespace and bool((obj.get("spec") or {}).get("finalizers")))
    if not graceful and not held:
        return await _remove(write, obj, item)
    if held and not graceful:
        _mark_deleting(write, obj)
        if is_namespace:
            obj.setdefault("status", {})["phase"] = "Terminating"
            metadata.pop("deletionGracePeriodSeconds", None)
    if graceful and not held and metadata["deletionGracePeriodSeconds"] == 0:
        return await _remove(write, obj, item)
    return await _store_marked(write, obj, item)


async def _store_marked(write: Write, obj: Object, item: Item) -> Deleted:
    if not write.dry_run:
        stored = await write.server.store.update(
            write.resource.bucket, write.key, to_storage(write.resource, obj), item.rev
        )
        obj["metadata"]["resourceVersion"] = str(stored.rev)
    return Deleted(obj, False)


async def _remove(write: Write, obj: Object, item: Item) -> Deleted:
    if not write.dry_run:
        gone = await write.server.store.delete(
            write.resource.bucket, write.key, to_storage(write.resource, obj), item.rev
        )
        obj["metadata"]["resourceVersion"] = str(gone.rev)
    return Deleted(obj, True)


def _begin_grace(write: Write, wanted: DeleteOptions, obj: Object) -> tuple[bool, bool]:
    """Whether the object lives on for a while from now, and whether it already does."""
    period_of = write.resource.rules.grace_period_s
    if period_of is None:
        return False, False
    metadata, clock = obj["metadata"], write.server.clock
    if metadata.get("deletionTimestamp"):
        running = metadata.get("deletionGracePeriodSeconds")
        if not running:
            return False, False
        if wanted.grace_s is None or wanted.grace_s >= running:
            return False, True
        end = shifted(parse_time(metadata["deletionTimestamp"]), wanted.grace_s - running)
        period = wanted.grace_s
        if end < clock.now():
            end = clock.now()
            period = 1 if period else 0
        metadata["deletionTimestamp"] = format_time(end)
        metadata["deletionGracePeriodSeconds"] = period
        return True, False
    grace = period_of(obj, wanted.grace_s)
    metadata["deletionTimestamp"] = format_time(shifted(clock.now(), grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1
    return True, False


def _mark_deleting(write: Write, obj: Object) -> None:
    """An object that only finalizers keep."""
    metadata, now = obj["metadata"], write.server.clock.now()
    if not metadata.get("deletionTimestamp"):
        if metadata.get("generation"):
            metadata["generation"] += 1
        metadata["deletionTimestamp"] = format_time(now)
    elif parse_time(metadata["deletionTimestamp"]) > now:
        metadata["deletionTimestamp"] = format_time(now)
    metadata["deletionGracePeriodSeconds"] = 0


def garbage_finalizers(present: list[str], policy: str) -> list[str]:
    """Finalizers after a deletion with a propagation policy ("" keeps what the object says)."""
    orphan = policy == "Orphan" or (not policy and ORPHAN in present)
    foreground = policy == "Foreground" or (not policy and not orphan and FOREGROUND in present)
    kept = [name for name in present if name not in (ORPHAN, FOREGROUND)]
    return kept + [ORPHAN] * orphan + [FOREGROUND] * foreground


def plain_options(value: Any) -> DeleteOptions:
    """Options inside another body, such as an Eviction."""
    return parse_options(value if isinstance(value, dict) else {})


