"""`set image`: images of a pod or pod template (kubectl pkg/cmd/set, v1.36)."""

from __future__ import annotations

import argparse

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, formats, pairs, results, targets
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object

HELP = """Set the images of containers.

examples:
  podsysctl set image deployment/web web=localhost/podsysctl/toolbox
  podsysctl set image pod/web '*=centos'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `set image`."""
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="TYPE NAME... CONTAINER=IMAGE... (* is every container)"
    )
    flags.add_files(parser, "to change")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    flags.add_field_manager(parser, "kubectl-set")
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")
    parser.add_argument("--all", action="store_true", help="every object of the kind")


def run(args: argparse.Namespace) -> int:
    """Run `set image`."""
    words, changes = pairs.split(args.words)
    if not words and not args.filenames:
        raise UsageError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    images = dict(change.partition("=")[::2] for change in changes)
    if not images or not all(images.values()):
        raise UsageError("at least one image update is required", hint="CONTAINER=IMAGE")

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        errors: list[PodsysctlError] = []
        for item in await targets.select(connection, args, words, all_flag=True, errors=errors):
            try:
                await _one(connection, args, item, images)
            except (StatusError, failures.PlainError) as error:
                errors.append(error)
        failures.raise_all(errors)
        return 0

    return connect.run(args, body)


def spec_path(obj: Object) -> list[str]:
    """Where an object keeps its pod spec."""
    paths = {"Pod": ["spec"], "CronJob": ["spec", "jobTemplate", "spec", "template", "spec"]}
    return paths.get(str(obj.get("kind")), ["spec", "template", "spec"])


async def _one(connection: Connection, args: argparse.Namespace, item: targets.Item, images: dict[str, str]) -> None:
    path = spec_path(item.object)
    spec: Object = item.object
    for key in path:
        spec = spec.get(key) or {}
    patch: Object = {}
    unknown = set(images) - {"*"}
    for group in ("containers", "initContainers"):
        changed = []
        for container in spec.get(group) or ():
            unknown.discard(container["name"])
            image = images.get(container["name"]) or images.get("*")
            if image and image != container.get("image"):
                changed.append({"name": container["name"], "image": image})
        if changed:
            patch[group] = changed
    if unknown:
        raise failures.PlainError(f'unable to find container named "{sorted(unknown)[0]}"')
    if not patch:
        return
    for key in reversed(path):
        patch = {key: patch}
    updated = item.object
    if args.dry_run != "client":
        updated = await connection.client.patch(
            item.kind,
            item.name,
            patch,
            namespace=item.namespace,
            patch_type="strategic",
            field_manager=args.field_manager,
            dry_run=args.dry_run == "server",
        )
    if args.output:
        formats.printer(args)(updated)
    else:
        results.print_line(item.title, "image updated" + results.SUFFIXES[args.dry_run])
