"""PATCH: JSON patch, merge patch, strategic merge patch and server-side apply on the stored object.

Source of codes and texts: Kubernetes 1.36 `apiserver/pkg/endpoints/handlers/patch.go`.
"""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver import body as bodies
from podsysctl.apiserver import customresource, options, respond, write
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.options import IGNORE, STRICT, WriteOptions
from podsysctl.apiserver.write import Change, Object, Write
from podsysctl.base.errors import StatusError
from podsysctl.objects import decode, fielderrors, gojson, patch, status
from podsysctl.objects.decode import Decoded
from podsysctl.objects.patch import apply, conversion, jsonpatch, managed, problems
from podsysctl.objects.patch.strategic import go_map
from podsysctl.objects.patch.typed import ElementError

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


async def patch_object(call: Call) -> web.StreamResponse:
    """Answer PATCH of an object or one of its subresources."""
    media = bodies.media_type(call.http)
    accepted = accepted_types(call)
    if media not in accepted:
        raise status.unsupported_media_type(accepted)
    respond.output_of(call)
    raw = await bodies.read(call.http)
    wanted = options.parse_write(call.query, "PatchOptions", apply=media == APPLY)
    done = Write(
        server=call.server,
        resource=call.resource,
        user=call.user,
        namespace=call.info.namespace,
        name=call.info.name,
        subresource=call.info.subresource,
        dry_run=wanted.dry_run,
        manager=options.field_manager(wanted, call.http.headers.get("User-Agent", "")),
        is_patch=True,
        is_apply=media == APPLY,
        warnings=call.warnings,
        annotations=call.audit,
    )
    change = applying(call, done, raw, wanted) if media == APPLY else patching(call, raw, media, wanted)
    written = await write.update_object(done, change, create_ok=media == APPLY and not call.info.subresource)
    code = 201 if written.created else 200
    if written.item is not None:
        return respond.send_item(call, written.item, code)
    return respond.send(call, written.object, code)


def accepted_types(call: Call) -> tuple[str, ...]:
    """Patch types of the resource; custom kinds have no strategic merge."""
    if call.resource.definition is not None:
        return (JSON_PATCH, MERGE, APPLY)
    return (JSON_PATCH, MERGE, STRATEGIC, APPLY)


def patching(call: Call, raw: bytes, media: str, wanted: WriteOptions) -> Change:
    """The change that one of the three older patch types makes."""
    body = read_patch(raw, media)
    kind = call.resource.kind
    strict: list[str] = []
    if media == JSON_PATCH and isinstance(body, list) and wanted.field_validation != IGNORE:
        strict = jsonpatch.strict_problems([op for op in body if isinstance(op, dict)])

    def change(old: Object | None) -> Object:
        if old is None:
            raise status.not_found(kind, call.info.name)
        owners = None if _names_owners(body) else old["metadata"].get("managedFields")
        # A copy, since what the patch leaves alone becomes part of the new object.
        base: Object = orjson.loads(orjson.dumps(managed.without_managed_fields(old) if owners else old))
        patched = patched_object(base, body, media, call)
        if media == JSON_PATCH:
            try:
                bodies.check_depth(patched)
            except ValueError as error:
                raise _bad_patch("", str(error)) from error

        def refuse(text: str) -> StatusError:
            if media == STRATEGIC:
                return _bad_patch(go_map(body), text)
            return _bad_patch(orjson.dumps(patched_object(old, body, media, call)).decode(), text)

        try:
            decoded = _decoded_patch(call, patched, base, media)
        except StatusError as error:
            message = error.message
            strategic = media == STRATEGIC
            text = _conversion_text(call, patched, message) if strategic else _decoding_text(call, message)
            raise refuse(text) from error
        if owners:
            decoded.object["metadata"]["managedFields"] = owners
        found = [*strict, *decoded.problems]
        if found and wanted.field_validation == STRICT:
            raise refuse(f"strict decoding error: {', '.join(found)}")
        if wanted.field_validation != IGNORE:
            for problem in found:
                call.warn(problem)
        return decoded.object

    return change


def _names_owners(body: Any) -> bool:
    """Whether a patch may have to do with managedFields, the larger half of many objects, kept aside otherwise."""
    if not isinstance(body, dict) or "$patch" in body:
        return True
    metadata = body.get("metadata", {})
    return not isinstance(metadata, dict) or "managedFields" in metadata or "$patch" in metadata


def read_patch(raw: bytes, media: str) -> Any:
    """The JSON of a patch. Raises StatusError 400, with the words of Go's parser for a mistake in it."""
    try:
        return bodies.loads(raw)
    except ValueError as error:
        text = str(error)
        try:
            gojson.check_syntax(raw)
        except gojson.JSONSyntaxError as syntax:
            text = syntax.message
        raise problems.undecoded(text, is_strategic=media == STRATEGIC) from error


def patched_object(old: Object, body: Any, media: str, call: Call) -> Object:
    """The stored object after the patch, not yet decoded."""
    if media == JSON_PATCH:
        result: Object = patch.json_patch(old, body)
        return result
    if media == MERGE:
        return patch.merge_patch(old, body)
    return patch.strategic_merge(old, body, call.resource.schema)


def _bad_patch(shown: str, text: str) -> StatusError:
    error = fielderrors.invalid("patch", shown, text)
    return status.invalid_kind("", "", "", [error])


def applying(call: Call, done: Write, raw: bytes, wanted: WriteOptions) -> Change:
    """The change that server-side apply makes."""
    config = decode.decode_yaml(raw)
    kind, schema = call.resource.kind, call.resource.schema
    if not isinstance(config, dict):
        raise status.bad_request(f"error decoding YAML: cannot unmarshal into an object of kind {kind.kind}")

    def change(old: Object | None) -> Object:
        uid = (config.get("metadata") or {}).get("uid") if isinstance(config.get("metadata"), dict) else None
        if old is None and uid:
            text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise status.conflict(kind, call.info.name, text)
        try:
            merged = apply.server_side_apply(
                old,
                config,
                manager=wanted.field_manager,
                force=bool(wanted.force),
                schema=schema,
                api_version=kind.api_version,
                now=call.server.clock.now(),
                subresource=done.subresource,
                kind=kind.kind,
            )
        except ElementError as error:
            # Of the stored object: what was sent has been checked.
            raise StatusError(500, "", f"failed to create typed live object: {error}") from error
        try:
            return _converted(call, merged).object
        except StatusError as error:
            raise _unconvertible(call, config, merged, error.message) from error

    return change


def _unconvertible(call: Call, config: Object, merged: Object, text: str) -> StatusError:
    """500 for an applied object that its type cannot hold, where the other verbs answer 400."""
    gvk = apply.kind_text(config.get("apiVersion", ""), config.get("kind", ""))
    subject = apply.subject_text(config)
    head = f"failed to convert new object ({subject}) to proper version: unable to convert unstructured object to"
    return StatusError(500, "", f"{head} {gvk}: {_conversion_text(call, merged, text)}")


def _decoding_text(call: Call, text: str) -> str:
    return text.partition(f" cannot be handled as a {call.resource.kind.kind}: ")[2] or text


def _conversion_text(call: Call, obj: Object, text: str) -> str:
    """What does not fit, as upstream says it when the object is a map already and not JSON."""
    text = _decoding_text(call, text)
    return text if call.resource.definition is not None else conversion.error_text(obj, call.resource.schema, text)


def _decoded_patch(call: Call, patched: Object, base: Object, media: str) -> Decoded:
    """The patched object as one of its kind; `base` is what the patch was applied to."""
    if media == JSON_PATCH:  # may have put one part of the object in several places
        return _decoded(call, patched)
    resource = call.resource
    if resource.definition is None and resource.from_storage is None:
        try:
            return decode.decode_changed(patched, base, resource.schema, resource.kind)
        except StatusError:
            if media == MERGE:
                raise
    return (_converted if media == STRATEGIC else _decoded)(call, patched)


def _decoded(call: Call, obj: Object) -> Decoded:
    decoded = decode.decode_value(obj, call.resource.schema, call.resource.kind)
    return customresource.prune(call.resource, decoded) if call.resource.definition is not None else decoded


def _converted(call: Call, obj: Object) -> Decoded:
    """The same of what upstream has as a map already: integers too large for their type lose their upper bits."""
    try:
        return _decoded(call, obj)
    except StatusError:
        narrowed = conversion.narrowed(obj, call.resource.schema)
        if call.resource.definition is not None or narrowed == obj:
            raise
    return _decoded(call, narrowed)
