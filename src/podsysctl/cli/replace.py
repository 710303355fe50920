"""`replace`: the whole object becomes what the file says (kubectl pkg/cmd/replace, v1.36)."""

from __future__ import annotations

import argparse

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, lastapplied, results, targets, waiting
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object

HELP = """Replace objects by those in files.

examples:
  podsysctl replace -f pod.yaml
  podsysctl replace --force -f pod.yaml      delete and create anew"""

WAIT_S = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `replace`."""
    flags.add_files(parser, "to put in place")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    flags.add_validate(parser)
    flags.add_field_manager(parser, "kubectl-replace")
    parser.add_argument("--force", action="store_true", help="delete the object first, then create it")
    parser.add_argument(
        "--grace-period", type=int, metavar="SECONDS", default=-1, help="time to end in peace, with --force"
    )
    parser.add_argument("--save-config", action="store_true", help="remember the file for a later `apply`")


def run(args: argparse.Namespace) -> int:
    """Run `replace`."""
    if not args.filenames:
        raise UsageError("must specify --filename to replace", hint="podsysctl replace -f FILE")
    if args.grace_period >= 0 and not args.force:
        raise UsageError("--grace-period must have --force specified")
    if args.force and args.dry_run != "none":
        raise UsageError("--dry-run can not be used when --force is set")
    return connect.run(args, _replace)


async def _replace(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    shown = results.Results(args, at_once=True)
    for item in await targets.from_files(connection, args, errors=errors):
        metadata = dict(item.object.get("metadata") or {})
        if item.namespace:
            metadata["namespace"] = item.namespace
        obj = {**item.object, "metadata": metadata}
        if args.save_config or lastapplied.ANNOTATION in (metadata.get("annotations") or {}):
            obj = lastapplied.with_annotation(obj)
        try:
            await _one(connection, args, item, obj, shown)
        except StatusError as error:
            errors.append(failures.with_source("replacing", item.source, error))
    failures.raise_all(errors)
    return 0


async def _one(
    connection: Connection, args: argparse.Namespace, item: Item, obj: Object, shown: results.Results
) -> None:
    client = connection.client
    validation = flags.field_validation(args.validate)
    if args.force:
        await _remove(connection, args, item)
        made = await client.create(
            item.kind, obj, namespace=item.namespace, field_manager=args.field_manager, field_validation=validation
        )
        shown.add(made, "replaced")
        return
    if args.dry_run != "client":
        if not obj["metadata"].get("resourceVersion"):
            try:
                live = await client.get(item.kind, item.name, item.namespace)
                obj["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            except StatusError as error:
                if error.code != 404:  # absent: the server says so, and whatever else is wrong with the file
                    raise
        obj = await client.update(
            item.kind,
            obj,
            dry_run=args.dry_run == "server",
            field_manager=args.field_manager,
            field_validation=validation,
        )
    shown.add(obj, "replaced")


async def _remove(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    try:
        grace_s = args.grace_period if args.grace_period >= 0 else None
        await connection.client.delete(
            item.kind, item.name, item.namespace, grace_period_s=grace_s, propagation="Background"
        )
    except StatusError as error:
        if error.code == 404:
            return
        raise
    results.print_line(item.title, "deleted")
    await waiting.until_gone(connection.client, [waiting.Gone(item.kind, item.name, item.namespace)], WAIT_S)
