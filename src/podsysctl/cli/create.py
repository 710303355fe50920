"""`create -f`: objects that must not exist yet."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, lastapplied, results, targets
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import Found
from podsysctl.client.rest import Object

HELP = """Create objects from files; `create namespace`, `configmap`, `secret generic`, `serviceaccount`
and `token` need none.

examples:
  podsysctl create -f pod.yaml
  podsysctl create namespace demo"""

FIELD_MANAGER = "kubectl-create"

NAMED_FAILURES = ("ConfigMap", "Secret", "ServiceAccount")
"""Kinds for which kubectl says `failed to create configmap: ...` instead of the server's form."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `create`."""
    flags.add_files(parser, "to create")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    flags.add_validate(parser)
    flags.add_field_manager(parser, FIELD_MANAGER)
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")
    parser.add_argument("--save-config", action="store_true", help="remember the file for a later `apply`")


def run(args: argparse.Namespace) -> int:
    """Run `create`."""
    if not args.filenames:
        raise UsageError("must specify one of -f and -k", hint="podsysctl create -f FILE")
    return connect.run(args, _create)


async def _create(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    shown = results.Results(args, at_once=True)
    items = await targets.from_files(connection, args, errors=errors)
    if not items and not errors:
        raise UsageError("no objects passed to create")
    for item in items:
        metadata = dict(item.object.get("metadata") or {})
        if item.namespace:
            metadata["namespace"] = item.namespace
        obj = {**item.object, "metadata": metadata}
        try:
            await send(connection, args, item.kind, obj, shown)
        except StatusError as error:
            errors.append(failures.with_source("creating", item.source, error))
    shown.finish()
    failures.raise_all(errors)
    return 0


async def send(
    connection: Connection, args: argparse.Namespace, kind: Found, obj: Object, shown: results.Results
) -> None:
    """Create one object as the flags want it, and show it. Raises StatusError."""
    if args.save_config:
        obj = lastapplied.with_annotation(obj)
    if args.dry_run != "client":
        obj = await connection.client.create(
            kind,
            obj,
            namespace=(obj.get("metadata") or {}).get("namespace"),
            dry_run=args.dry_run == "server",
            field_manager=args.field_manager,
            field_validation=flags.field_validation(args.validate),
        )
    shown.add(obj, "created")


def add_generator_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that `create KIND NAME` commands share."""
    parser.add_argument("name", metavar="NAME", help="its name")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    flags.add_validate(parser)
    flags.add_field_manager(parser, FIELD_MANAGER)
    parser.add_argument("--save-config", action="store_true", help="remember the object for a later `apply`")


def run_generator(args: argparse.Namespace, api_version: str, kind: str, body: Object) -> int:
    """Create (or with --dry-run=client only print) the object that a `create KIND NAME` command describes.

    A dry run on the client needs no server.
    """
    obj: Object = {"apiVersion": api_version, "kind": kind, "metadata": {"name": args.name}, **body}
    if args.dry_run == "client":
        if args.namespace and kind != "Namespace":
            obj["metadata"]["namespace"] = args.namespace
        shown = results.Results(args, at_once=True)
        shown.add(lastapplied.with_annotation(obj) if args.save_config else obj, "created")
        sys.stdout.flush()
        return 0

    async def create(connection: Connection, args: argparse.Namespace) -> int:
        found = (await connection.mapper()).find_kind(api_version, kind)
        if found.namespaced:
            obj["metadata"]["namespace"] = connection.namespace
        try:
            await send(connection, args, found, obj, results.Results(args, at_once=True))
        except StatusError as error:
            if kind not in NAMED_FAILURES:
                raise
            raise failures.PlainError(f"failed to create {kind.lower()}: {error.message}") from error
        return 0

    return connect.run(args, create)
