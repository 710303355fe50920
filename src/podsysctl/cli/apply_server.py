"""`apply --server-side`: the server merges and records who owns which field.

Objects that client-side apply owned before are taken over as kubectl does it (client-go util/csaupgrade,
v1.36): its share of managedFields becomes ours, and the annotation is kept current.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.cli import flags, lastapplied, results
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object

CLIENT_SIDE_MANAGER, SERVER_SIDE_MANAGER = "kubectl-client-side-apply", "kubectl"
LAST_APPLIED_MANAGER = "kubectl-last-applied"

CONFLICT_ADVICE = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""


class ApplyConflictError(PodsysctlError):
    """Other managers own fields that the file sets."""

    reason = "ApplyConflict"


async def apply_object(
    connection: Connection, args: argparse.Namespace, item: Item, obj: Object, shown: results.Results
) -> None:
    """Apply one object. Raises ApplyConflictError and StatusError."""
    manager = args.field_manager or SERVER_SIDE_MANAGER

    async def send(body: Object, as_manager: str) -> Object:
        return await connection.client.patch(
            item.kind,
            item.name,
            body,
            namespace=item.namespace,
            patch_type="apply",
            field_manager=as_manager,
            force=args.force_conflicts,
            field_validation=flags.field_validation(args.validate),
            dry_run=args.dry_run == "server",
        )

    try:
        result = await send(obj, manager)
    except StatusError as error:
        if error.code == 409:
            raise ApplyConflictError(error.message + CONFLICT_ADVICE) from error
        raise
    if args.dry_run == "none":
        try:
            result = await _adopt(connection, item, obj, result, manager, send)
        except StatusError as error:
            sys.stderr.write(
                "Warning: failed to migrate kubectl.kubernetes.io/last-applied-configuration for Server-Side Apply. "
                f"This is non-fatal and will be retried next time you apply. Error: {error.message}\n"
            )
    if (result.get("metadata") or {}).get("deletionTimestamp"):
        sys.stderr.write(f"Warning: Detected changes to resource {item.name} which is currently being deleted.\n")
    shown.add(result, "serverside-applied")


async def _adopt(connection: Connection, item: Item, obj: Object, result: Object, manager: str, send: Any) -> Object:
    """Take over from client-side apply, if it was there."""
    if lastapplied.read(result) is None:
        return result
    annotations = lastapplied.with_annotation(obj)["metadata"]["annotations"]
    keeper = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {
            **{k: v for k, v in obj["metadata"].items() if k in ("name", "namespace")},
            "annotations": {lastapplied.ANNOTATION: annotations[lastapplied.ANNOTATION]},
        },
    }
    result = await connection.client.patch(
        item.kind,
        item.name,
        keeper,
        namespace=item.namespace,
        patch_type="apply",
        field_manager=LAST_APPLIED_MANAGER,
        force=True,
    )
    entries = (result.get("metadata") or {}).get("managedFields") or []
    moved = moved_ownership(entries, manager)
    if moved is None:
        return result
    await connection.client.patch(
        item.kind,
        item.name,
        [
            {"op": "replace", "path": "/metadata/managedFields", "value": moved},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": result["metadata"]["resourceVersion"]},
        ],
        namespace=item.namespace,
        patch_type="json",
    )
    again: Object = await send(obj, manager)
    return again


def _owns_annotation(entry: Object) -> bool:
    fields = entry.get("fieldsV1") or {}
    annotations = (fields.get("f:metadata") or {}).get("f:annotations") or {}
    return entry.get("operation") == "Update" and f"f:{lastapplied.ANNOTATION}" in annotations


def moved_ownership(entries: list[Object], manager: str) -> list[Object] | None:
    """managedFields in which `manager` owns what client-side apply owned; None when there is nothing to move."""
    old = [e for e in entries if e.get("manager") == CLIENT_SIDE_MANAGER or _owns_annotation(e)]
    old = [e for e in old if e.get("operation") == "Update" and not e.get("subresource")]
    if not old:
        return None
    fields: Object = {}
    for entry in old:
        fields = _union(fields, entry.get("fieldsV1") or {})
    rest = [e for e in entries if not any(e is o for o in old)]
    out = []
    found = False
    for entry in rest:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            found = True
            entry = {**entry, "fieldsV1": _union(entry.get("fieldsV1") or {}, fields)}
        out.append(entry)
    if not found:
        out.append({**old[0], "manager": manager, "operation": "Apply", "fieldsV1": fields})
    return out


def _union(a: Object, b: Object) -> Object:
    out = dict(a)
    for key, value in b.items():
        out[key] = _union(out[key], value) if key in out else value
    return out
