"""`edit`: an object in the person's editor, sent back as a patch (kubectl pkg/cmd/util/editor, v1.36)."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import apply, connect, failures, flags, lastapplied, results, targets, three_way, yaml_text
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object
from podsysctl.objects import yamltext

HELP = """Change an object in an editor: $KUBE_EDITOR, $EDITOR or vi.

examples:
  podsysctl edit pod web
  EDITOR=nano podsysctl edit configmap settings"""

BANNER = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""
ATTEMPTS = 10


class EditError(PodsysctlError):
    """The edit came to nothing."""

    reason = "EditFailed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `edit`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE NAME, TYPE/NAME")
    flags.add_files(parser, "to edit")
    flags.add_validate(parser)
    flags.add_field_manager(parser, "kubectl-edit")
    parser.add_argument("-o", "--output", default="yaml", choices=("yaml",), help="yaml")
    parser.add_argument("--subresource", metavar="NAME", default="", help="edit this part, such as status")
    parser.add_argument("--save-config", action="store_true", help="remember the object for a later `apply`")


def run(args: argparse.Namespace) -> int:
    """Run `edit`."""
    return connect.run(args, _edit)


async def _edit(connection: Connection, args: argparse.Namespace) -> int:
    items = await targets.select(connection, args, args.words, all_flag=True)
    for item in items:
        await _one(connection, args, item)
    return 0


async def _one(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    metadata = {k: v for k, v in item.object["metadata"].items() if k != "managedFields"}
    original = {**item.object, "metadata": metadata}
    text, notes = yaml_text.dump(original), ""
    for _ in range(ATTEMPTS):
        edited_text = _open_editor(BANNER + notes + text)
        body = "".join(line for line in edited_text.splitlines(keepends=True) if not line.startswith("#"))
        if not body.strip():
            sys.stderr.write("Edit cancelled, saved file was empty.\n")
            return
        if body == text and not notes:
            sys.stderr.write("Edit cancelled, no changes made.\n")
            return
        if body == text:
            raise EditError("Edit cancelled, no valid changes were saved.", hint=_keep(body))
        text = body
        try:
            await _save(connection, args, item, original, body)
            return
        except (StatusError, UsageError) as error:
            shown = failures.status_text(error) if isinstance(error, StatusError) else f"error: {error.message}"
            sys.stderr.write(shown + "\n")
            notes = "".join(f"# {line}\n" for line in shown.splitlines()) + "#\n"
    raise EditError(f"no valid edit in {ATTEMPTS} attempts", hint=_keep(text))


def _keep(text: str) -> str:
    """Put what was typed where it can be found again; the sentence that says where."""
    handle, name = tempfile.mkstemp(prefix="podsysctl-edit-", suffix=".yaml")
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
    return f"a copy of your changes has been stored to {name}"


def _open_editor(text: str) -> str:
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="podsysctl-edit-") as directory:
        path = Path(directory) / "object.yaml"
        path.write_text(text)
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)
        except OSError as error:
            raise EditError(
                f"unable to launch the editor {editor}: {error.strerror}", hint="set $EDITOR to an editor you have"
            ) from error
        if done.returncode:
            raise EditError(f"the editor {editor} exited with {done.returncode}")
        return path.read_text()


async def _save(connection: Connection, args: argparse.Namespace, item: Item, original: Object, body: str) -> None:
    try:
        edited = yamltext.load_document(body)
    except yamltext.YAMLSyntaxError as error:
        raise UsageError(f"the edited file had a syntax error: {error.message}") from error
    if not isinstance(edited, dict):
        raise UsageError("the edited file is not an object")
    for path in (("apiVersion",), ("kind",), ("metadata", "name")):
        if _at(edited, path) != _at(original, path):
            raise UsageError("At least one of apiVersion, kind and name was changed")
    if args.save_config:
        edited = lastapplied.with_annotation(edited)
    schema = apply.schema_of(item.kind)
    if schema is None:
        patch, patch_type = three_way.merge_patch(original, edited, original), "merge"
    else:
        patch, patch_type = three_way.strategic_patch(original, edited, original, schema), "strategic"
    if not patch:
        results.print_line(item.title, "skipped")
        return
    await connection.client.patch(
        item.kind,
        item.name,
        patch,
        namespace=item.namespace,
        patch_type=patch_type,
        subresource=args.subresource,
        field_manager=args.field_manager,
        field_validation=flags.field_validation(args.validate),
    )
    results.print_line(item.title, "edited")


def _at(obj: Object, path: tuple[str, ...]) -> object:
    value: object = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
