"""create and update: what POST and PUT do with HTTP."""

from __future__ import annotations

import orjson
from aiohttp import web

from podsysctl.apiserver import body as bodies
from podsysctl.apiserver import options, respond, write
from podsysctl.apiserver.auth.rbac import Attributes
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.write import Object, Write
from podsysctl.objects import status


async def create(call: Call) -> web.StreamResponse:
    """POST of a collection."""
    respond.output_of(call)
    raw = await bodies.read(call.http)
    wanted = options.parse_write(call.query, "CreateOptions")
    decoded = bodies.decode_resource(call, raw)
    obj = bodies.judge(call, decoded, wanted.field_validation, call.resource.kind)
    written = await write.create_object(write_of(call, wanted), obj)
    if written.item is not None:
        return respond.send_item(call, written.item, 201)
    return respond.send(call, written.object, 201)


async def update(call: Call) -> web.StreamResponse:
    """PUT of an object or its status."""
    respond.output_of(call)
    raw = await bodies.read(call.http)
    wanted = options.parse_write(call.query, "UpdateOptions")
    decoded = bodies.decode_resource(call, raw)
    obj = bodies.judge(call, decoded, wanted.field_validation, call.resource.kind)
    packed = orjson.dumps(obj)

    def change(old: Object | None) -> Object:
        if old is None:
            _authorize_create(call)
        fresh: Object = orjson.loads(packed)
        return fresh

    create_ok = call.resource.rules.create_on_update and not call.info.subresource
    written = await write.update_object(write_of(call, wanted), change, create_ok=create_ok)
    code = 201 if written.created else 200
    if written.item is not None:
        return respond.send_item(call, written.item, code)
    return respond.send(call, written.object, code)


def write_of(call: Call, wanted: options.WriteOptions) -> Write:
    """The write that a request asks for."""
    return Write(
        server=call.server,
        resource=call.resource,
        user=call.user,
        namespace=call.info.namespace,
        name=call.info.name,
        subresource=call.info.subresource,
        dry_run=wanted.dry_run,
        manager=options.field_manager(wanted, call.http.headers.get("User-Agent", "")),
        warnings=call.warnings,
        annotations=call.audit,
    )


def _authorize_create(call: Call) -> None:
    """A PUT that makes an object needs the right to create it too."""
    info = call.info
    asked = Attributes(
        call.user, "create", info.group, info.version, info.resource, "", info.namespace, info.name
    )
    if not call.server.authorizer.authorize(asked).allowed:
        raise status.forbidden_request(
            user=call.user.name,
            verb="create",
            group=info.group,
            resource=info.resource,
            namespace=info.namespace,
            name=info.name,
        )
