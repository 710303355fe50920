"""`delete`: objects go, gracefully unless told otherwise, and the command waits until they are gone.

Requests and texts are kubectl's (pkg/cmd/delete, v1.36).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, results, targets, waiting
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import Found

HELP = """Delete objects by file, name or label, and wait until they are gone.

examples:
  podsysctl delete pod web
  podsysctl delete -f pod.yaml
  podsysctl delete pods -l app=web --now
  podsysctl delete pod web --force --grace-period=0"""

WEEK_S = 168 * 3600.0


@dataclass(frozen=True, slots=True)
class Victim:
    """What is to go: a name of a kind, not read from the server first, and the file that names it."""

    kind: Found
    name: str
    namespace: str | None
    source: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `delete`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE NAME..., TYPE/NAME...")
    flags.add_files(parser, "to delete")
    flags.add_selector(parser)
    flags.add_dry_run(parser)
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", help="name")
    parser.add_argument("--all", action="store_true", help="every object of the kinds")
    parser.add_argument("--now", action="store_true", help="one second of grace")
    parser.add_argument("--force", action="store_true", help="remove the object at once, whatever still runs")
    parser.add_argument("--grace-period", type=int, metavar="SECONDS", default=-1, help="time to end in peace")
    parser.add_argument("--timeout", metavar="DURATION", default="0", help="give up waiting after this time")
    flags.add_bool(parser, "--wait", default=True, help="wait until the objects are gone")
    parser.add_argument("--ignore-not-found", action="store_true", help="an absent object is no failure")
    parser.add_argument(
        "--cascade",
        nargs="?",
        const="background",
        default="background",
        choices=("background", "foreground", "orphan", "true", "false"),
        help="what happens to objects that these own",
    )


def run(args: argparse.Namespace) -> int:
    """Run `delete`."""
    if args.all and args.selector:
        raise UsageError("cannot set --all and --selector at the same time")
    if args.all and args.field_selector:
        raise UsageError("cannot set --all and --field-selector at the same time")
    if args.output not in ("", "name"):
        raise UsageError(f"unexpected -o output mode: {args.output}. We only support '-o name'")
    if args.now:
        if args.grace_period != -1:
            raise UsageError("--now and --grace-period cannot be specified together")
        args.grace_period = 1
    if args.force and args.grace_period > 0:
        raise UsageError("--force and --grace-period greater than 0 cannot be specified together")
    if args.grace_period == 0 and not args.force:
        args.grace_period = 1
    if args.force and args.grace_period < 0:
        args.grace_period = 0
    if args.all or args.selector or args.field_selector:
        args.ignore_not_found = True
    return connect.run(args, _delete)


async def _delete(connection: Connection, args: argparse.Namespace) -> int:
    if args.force:
        sys.stderr.write(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
            "The resource may continue to run on the cluster indefinitely.\n"
        )
    errors: list[PodsysctlError] = []
    victims = await _victims(connection, args, errors)
    if connection.namespace_is_explicit and any(not v.kind.namespaced for v in victims):
        sys.stderr.write("Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n")
    gone: list[waiting.Gone] = []
    for victim in victims:
        try:
            uid = await _one(connection, args, victim)
            gone.append(waiting.Gone(victim.kind, victim.name, victim.namespace, uid))
        except StatusError as error:
            if not (args.ignore_not_found and error.code == 404):
                errors.append(failures.with_source("deleting", victim.source, error))
    if not victims and not errors:
        sys.stdout.write("No resources found\n")
    if args.wait and args.dry_run == "none":
        timeout_s = flags.parse_duration(args.timeout) or WEEK_S
        await waiting.until_gone(connection.client, gone, timeout_s)
    failures.raise_all(errors)
    return 0


async def _victims(connection: Connection, args: argparse.Namespace, errors: list[PodsysctlError]) -> list[Victim]:
    if args.filenames:
        items = await targets.from_files(connection, args, errors=errors)
        return [
            Victim(i.kind, i.name, i.namespace, i.source)
            for i in items
            if not args.selector or _labelled(i, args.selector)
        ]
    asked = await targets.parse(connection, args.words)
    if not asked:
        raise UsageError(
            "You must provide one or more resources by argument or filename.", hint="podsysctl delete pod web"
        )
    out: list[Victim] = []
    for target in asked:
        namespace = None if args.all_namespaces else connection.scope(target.kind)
        if target.names:
            if args.selector or args.field_selector or args.all:
                raise UsageError("name cannot be provided when a selector is specified")
            out += [Victim(target.kind, name, namespace) for name in target.names]
        elif not (args.all or args.selector or args.field_selector):
            raise UsageError("resource(s) were provided, but no name was specified", hint="give names, -l or --all")
        else:
            found = await connection.client.list(
                target.kind,
                namespace,
                label_selector=args.selector,
                field_selector=args.field_selector,
                limit=limits.LIST_PAGE_ITEMS,
            )
            out += [Victim(target.kind, o["metadata"]["name"], o["metadata"].get("namespace")) for o in found.items]
    return out


def _labelled(item: targets.Item, selector: str) -> bool:
    from podsysctl.objects import selectors

    return selectors.parse_label_selector(selector).matches((item.object.get("metadata") or {}).get("labels") or {})


async def _one(connection: Connection, args: argparse.Namespace, victim: Victim) -> str:
    """Delete one object and say so; its uid, empty when the server did not tell."""
    uid = ""
    if args.dry_run != "client":
        cascade = {"true": "background", "false": "orphan"}.get(args.cascade, args.cascade)
        answer = await connection.client.delete(
            victim.kind,
            victim.name,
            victim.namespace,
            grace_period_s=args.grace_period if args.grace_period >= 0 else None,
            propagation=cascade.capitalize(),
            dry_run=args.dry_run == "server",
        )
        details = answer.get("details") or {} if answer.get("kind") == "Status" else answer.get("metadata") or {}
        uid = details.get("uid") or ""
    if args.output == "name":
        sys.stdout.write(f"{victim.kind.display}/{victim.name}\n")
    else:
        verb = "force deleted" if args.force else "deleted"
        suffix = results.SUFFIXES[args.dry_run]
        sys.stdout.write(f'{victim.kind.display} "{victim.name}" {verb}{suffix}\n')
    sys.stdout.flush()
    return uid
