"""KEY=VALUE and KEY- words, as label, annotate and taint take them, and the patch they make.

Rules and texts: kubectl pkg/cmd/label/label.go and pkg/cmd/annotate/annotate.go, v1.36.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, formats, results, targets
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object


@dataclass(frozen=True, slots=True)
class Change:
    """Entries to set and keys to remove."""

    set: dict[str, str]
    remove: list[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is changed: `label` in `labels`, or `annotation` in `annotations`; `done` is its participle."""

    noun: str
    field: str
    verb: str
    check: Callable[[str, str], None]


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that name objects, and those that change something: the first with = or a final - begins them."""
    for i, word in enumerate(words):
        if "=" in word or (word.endswith("-") and len(word) > 1):
            return list(words[:i]), list(words[i:])
    return list(words), []


def parse(words: Sequence[str], subject: Subject) -> Change:
    """Understand the changing words. Raises UsageError."""
    setting: dict[str, str] = {}
    remove: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            subject.check(word, value)
            setting[key] = value
        elif word.endswith("-"):
            remove.append(word[:-1])
        else:
            raise UsageError(
                f"unknown {subject.noun} spec: {word}"
                if subject.noun == "label"
                else f"invalid {subject.noun} spec: {word}"
            )
    if set(remove) & set(setting):
        article = "an" if subject.noun[0] in "aeiou" else "a"
        raise UsageError(f"can not both modify and remove {article} {subject.noun} in the same command")
    return Change(setting, remove)


def add_arguments(parser: argparse.ArgumentParser, subject: str) -> None:
    """Arguments of `label` and `annotate`."""
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help=f"TYPE NAME... KEY=VALUE... KEY- (removes the {subject})"
    )
    flags.add_files(parser, "to change")
    flags.add_selector(parser)
    flags.add_dry_run(parser)
    flags.add_output(parser)
    parser.add_argument("--all", action="store_true", help="every object of the kind")
    parser.add_argument("--overwrite", action="store_true", help="change values that exist")
    parser.add_argument("--list", action="store_true", help=f"print the {subject}s")
    parser.add_argument(
        "--resource-version", metavar="VERSION", default="", help="only if the object is at this version"
    )


def run(args: argparse.Namespace, subject: Subject) -> int:
    """Run `label` or `annotate`."""
    words, changes = split(args.words)
    if not words and not args.filenames:
        raise UsageError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    change = parse(changes, subject)
    if not (change.set or change.remove or args.list):
        raise UsageError(f"at least one {subject.noun} update is required")
    if args.all and args.selector:
        raise UsageError("cannot set --all and --selector at the same time")

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        errors: list[PodsysctlError] = []
        items = await targets.select(connection, args, words, all_flag=True, errors=errors)
        for item in items:
            try:
                await _one(connection, args, subject, item, change)
            except (StatusError, failures.PlainError) as error:
                errors.append(error)
        failures.raise_all(errors)
        return 0

    return connect.run(args, body)


async def _one(connection: Connection, args: argparse.Namespace, subject: Subject, item: Item, change: Change) -> None:
    current = (item.object.get("metadata") or {}).get(subject.field) or {}
    if args.list:
        for key in sorted(current):
            sys.stdout.write(f"{key}={current[key]}\n")
        return
    if not args.overwrite:
        _refuse_overwrite(current, change)
    for key in change.remove:
        if key not in current and subject.noun == "label":  # kubectl is silent about annotations
            sys.stdout.write(f'{subject.noun} "{key}" not found.\n')
    added = {k: v for k, v in change.set.items() if current.get(k) != v or k not in current}
    removed = [k for k in change.remove if k in current]
    updated = item.object
    patch: Object = {"metadata": {subject.field: {**added, **dict.fromkeys(removed)}}}
    if args.resource_version:
        patch["metadata"]["resourceVersion"] = args.resource_version
    if args.dry_run == "client":
        from podsysctl.objects import patch as patches

        updated = patches.merge_patch(item.object, patch)
    elif added or removed:
        updated = await connection.client.patch(
            item.kind,
            item.name,
            patch,
            namespace=item.namespace,
            field_manager=f"kubectl-{subject.verb}",
            dry_run=args.dry_run == "server",
        )
    _show(args, subject, updated, bool(added), bool(removed))


def _refuse_overwrite(current: dict[str, str], change: Change) -> None:
    taken = [k for k, v in change.set.items() if k in current and current[k] != v]
    if taken:
        texts = [f"'{key}' already has a value ({current[key]}), and --overwrite is false" for key in taken]
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        raise failures.PlainError(text, hint="--overwrite changes it")


def _show(args: argparse.Namespace, subject: Subject, obj: Object, added: bool, removed: bool) -> None:
    if args.output:
        formats.printer(args)(obj)
        return
    if subject.noun == "annotation":
        operation = "annotated"
    elif added and removed:
        operation = "modified"
    elif added:
        operation = "labeled"
    else:
        operation = "unlabeled" if removed else "not labeled"
    results.print_line(formats.title(obj), operation + results.SUFFIXES[args.dry_run])
