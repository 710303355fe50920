"""`taint`: set and remove taints of nodes.

Rules and texts: kubectl pkg/cmd/taint, v1.36.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, formats, results, targets
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object

HELP = """Set or remove taints of nodes.

examples:
  podsysctl taint node n1 dedicated=latency:NoSchedule
  podsysctl taint node n1 dedicated:NoSchedule-
  podsysctl taint node n1 dedicated-"""

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Taint:
    """One taint; an empty effect, for removal, means every effect."""

    key: str
    value: str = ""
    effect: str = ""

    def to_dict(self) -> Object:
        """The wire form."""
        out = {"effect": self.effect, "key": self.key}
        return {**out, "value": self.value} if self.value else out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `taint`."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="nodes NAME... KEY[=VALUE]:EFFECT... KEY[:EFFECT]-")
    flags.add_selector(parser, all_namespaces=False, fields=False)
    flags.add_dry_run(parser)
    flags.add_output(parser)
    parser.add_argument("--all", action="store_true", help="every node")
    parser.add_argument("--overwrite", action="store_true", help="change taints that exist")


def run(args: argparse.Namespace) -> int:
    """Run `taint`."""
    names, specs = _split(args.words)
    setting, removing = parse(specs)
    if not names:
        raise UsageError("one or more resources must be specified as <resource> <name>")
    if not setting and not removing:
        raise UsageError("at least one taint update is required")

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        kind = await connection.find(names[0].partition("/")[0])
        if kind.qualified != "nodes":
            raise UsageError(f'invalid resource type {names[0]}, only types ["node" "nodes"] are supported')
        errors: list[PodsysctlError] = []
        for item in await targets.select(connection, args, names, all_flag=True, errors=errors):
            try:
                await _one(connection, args, item, setting, removing)
            except (StatusError, failures.PlainError) as error:
                errors.append(error)
        failures.raise_all(errors)
        return 0

    return connect.run(args, body)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    for i, word in enumerate(words):
        if "=" in word or ":" in word or (word.endswith("-") and i):
            return list(words[:i]), list(words[i:])
    return list(words), []


def parse(specs: Sequence[str]) -> tuple[list[Taint], list[Taint]]:
    """Taints to set and to remove. Raises UsageError.

    >>> parse(["a=b:NoSchedule", "c-"])
    ([Taint(key='a', value='b', effect='NoSchedule')], [Taint(key='c', value='', effect='')])
    """
    setting: list[Taint] = []
    removing: list[Taint] = []
    for spec in specs:
        remove = spec.endswith("-")
        head, _, effect = spec.removesuffix("-").partition(":")
        key, _, value = head.partition("=")
        if effect and effect not in EFFECTS:
            raise UsageError(f"invalid taint effect: {effect}, unsupported taint effect")
        if not key or (not remove and not effect):
            raise UsageError(f"invalid taint spec: {spec}", hint="KEY=VALUE:EFFECT or KEY:EFFECT; a final - removes it")
        taint = Taint(key, value, effect)
        (removing if remove else setting).append(taint)
    if {(t.key, t.effect) for t in setting} & {(t.key, t.effect) for t in removing}:
        raise UsageError("can not both modify and remove the following taint(s) in the same command")
    if len({(t.key, t.effect) for t in setting}) != len(setting):
        raise UsageError("duplicated taints with the same key and effect")
    return setting, removing


async def _one(
    connection: Connection, args: argparse.Namespace, item: Item, setting: list[Taint], removing: list[Taint]
) -> None:
    live = list((item.object.get("spec") or {}).get("taints") or [])
    if not args.overwrite:
        clash = [t.key for t in setting if any(_same(t, old) and old.get("value", "") != t.value for old in live)]
        clash += [t.key for t in setting if any(_same(t, old) and old.get("value", "") == t.value for old in live)]
        if clash:
            raise failures.PlainError(
                f"node {item.name} already has {', '.join(clash)} taint(s) with same effect(s) and --overwrite is false"
            )
    for taint in removing:
        if not any(_same(taint, old) for old in live):
            spec = taint.key + (f":{taint.effect}" if taint.effect else "")
            raise failures.PlainError(f'taint "{spec}" not found')
    replaced = [*setting, *removing]
    kept = [old for old in live if not any(_same(t, old) for t in replaced)]
    taints = [t.to_dict() for t in setting] + kept
    updated: Object = {**item.object, "spec": {**(item.object.get("spec") or {}), "taints": taints}}
    if args.dry_run != "client":
        updated = await connection.client.patch(
            item.kind,
            item.name,
            {"spec": {"taints": taints or None}},
            patch_type="strategic",
            field_manager="kubectl-taint",
            field_validation="Strict",
            dry_run=args.dry_run == "server",
        )
    operation = "modified" if setting and removing else "tainted" if setting else "untainted"
    if args.output:
        formats.printer(args)(updated)
    else:
        results.print_line(item.title, operation + results.SUFFIXES[args.dry_run])


def _same(taint: Taint, old: Object) -> bool:
    return old.get("key") == taint.key and taint.effect in ("", old.get("effect"))
