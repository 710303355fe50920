"""`patch`: change fields of an object (kubectl pkg/cmd/patch, v1.36)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import apply, connect, failures, flags, formats, results, targets
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object
from podsysctl.objects import yamltext

HELP = """Change fields of an object with a strategic, merge or JSON patch.

examples:
  podsysctl patch node n1 -p '{"spec":{"unschedulable":true}}'
  podsysctl patch pod web --type=json -p '[{"op":"remove","path":"/metadata/labels/tier"}]'
  podsysctl patch deployment web --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `patch`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE NAME, TYPE/NAME")
    flags.add_files(parser, "to patch")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    flags.add_field_manager(parser, "kubectl-patch")
    parser.add_argument("-p", "--patch", metavar="PATCH", default="", help="the patch, JSON or YAML")
    parser.add_argument("--patch-file", metavar="FILE", default="", help="a file with the patch")
    parser.add_argument(
        "--type", default="strategic", choices=("strategic", "merge", "json"), help="what kind of patch it is"
    )
    parser.add_argument("--subresource", metavar="NAME", default="", help="patch this part, such as status or scale")


def run(args: argparse.Namespace) -> int:
    """Run `patch`."""
    if args.patch and args.patch_file:
        raise UsageError("cannot specify --patch and --patch-file together")
    if not args.patch and not args.patch_file:
        raise UsageError("must specify --patch or --patch-file containing the contents of the patch")
    args.parsed = _parse(args)
    return connect.run(args, _patch)


def _parse(args: argparse.Namespace) -> Any:
    text = args.patch
    if args.patch_file:
        try:
            text = Path(args.patch_file).read_text()
        except OSError as error:
            raise UsageError(f"unable to read patch file: {error.strerror}") from error
    try:
        value = yamltext.load_document(text)
    except yamltext.YAMLSyntaxError as error:
        raise UsageError(f'unable to parse "{text}": {error.message}') from error
    wanted = list if args.type == "json" else dict
    if not isinstance(value, wanted):
        raise UsageError(
            f'unable to parse "{text}": a patch of type {args.type} is a {"list" if wanted is list else "mapping"}'
        )
    return value


async def _patch(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    items = await targets.select(connection, args, args.words, all_flag=True, errors=errors)
    for item in items:
        try:
            before = item.object
            if args.subresource:
                before = await connection.client.get(item.kind, item.name, item.namespace, args.subresource)
            updated = await _one(connection, args, item)
        except StatusError as error:
            errors.append(error)
            continue
        operation = "patched" if updated != before else "patched (no change)"
        if args.output:
            formats.printer(args)(updated)
        else:
            results.print_line(formats.title(updated), operation + results.SUFFIXES[args.dry_run])
    failures.raise_all(errors)
    return 0


async def _one(connection: Connection, args: argparse.Namespace, item: targets.Item) -> Object:
    if args.dry_run == "client":
        return _locally(args, item)
    return await connection.client.patch(
        item.kind,
        item.name,
        args.parsed,
        namespace=item.namespace,
        patch_type=args.type,
        subresource=args.subresource,
        field_manager=args.field_manager,
        dry_run=args.dry_run == "server",
    )


def _locally(args: argparse.Namespace, item: targets.Item) -> Object:
    from podsysctl.objects import patch as patches

    result: Object
    if args.type == "json":
        result = patches.json_patch(item.object, args.parsed)
    elif args.type == "merge":
        result = patches.merge_patch(item.object, args.parsed)
    else:
        schema = apply.schema_of(item.kind)
        if schema is None:
            raise UsageError(f"strategic merge patch is not supported for {item.kind.kind} locally, try --type merge")
        result = patches.strategic_merge(item.object, args.parsed, schema)
    return result
