"""`podsysctl migrate`: privileged containers that only set kernel parameters become what needs no privilege."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.base.versions import KUBERNETES_MINOR, parse_cluster_version, parse_kernel_version
from podsysctl.cli import check_files
from podsysctl.objects import yamltext
from podsysctl.policy.lint.context import Target
from podsysctl.policy.lint.engine import Input
from podsysctl.policy.migration import manifests, migrate
from podsysctl.policy.migration.destination import Destination, Nodes, Place
from podsysctl.policy.migration.migrate import Options, Outcome, Result
from podsysctl.sysctls.kernel_facts import KernelFacts
from podsysctl.sysctls.name import parse_name

HELP = """Turn privileged init containers and DaemonSets that only set kernel parameters into pod sysctls, a Tuned
object for what belongs to the node, and placement on the nodes that have it. Comments and formatting survive; what is
not understood with certainty is told and left as it is.

  podsysctl migrate deploy/redis.yaml                 print the new manifests; what was done goes to stderr
  podsysctl migrate deploy/ --in-place                change the files
  helm template chart | podsysctl migrate -           a rendered chart
  podsysctl migrate . --output-dir new/               write the changed files below a directory
  podsysctl sysctl export > node.json                 on a node, then:
  podsysctl migrate . --kernel node.json              leave out what the node, or each pod, has already
  podsysctl migrate . --all-workers                   tune all workers instead of nodes dedicated to a profile
  podsysctl migrate . -o json --dry-run               only the report

Exit code 0: nothing is left to decide. 3: something is, and was left as it is; with --dry-run also when something would
change, so that CI can keep such containers out. 2: the question could not be understood."""

_DONE = {
    Place.POD: "goes into the pod's sysctls",
    Place.NODE: "goes onto the node, through a Tuned object",
    Place.NOT_NEEDED: "is not needed",
    Place.UNDECIDED: "is not decided",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `migrate`."""
    parser.add_argument("paths", nargs="*", metavar="FILE", help="files, directories, or -")
    parser.add_argument("--in-place", action="store_true", help="change the files themselves")
    parser.add_argument("--output-dir", metavar="DIR", help="write all files that were read below this directory")
    parser.add_argument("--dry-run", action="store_true", help="change and print nothing, only report")
    parser.add_argument("--kernel", metavar="VERSION|FILE",
                        help="the nodes' kernel, facts of it (`sysctl probe -o json`), or a node's values "
                        "(`sysctl export`)")  # fmt: skip
    parser.add_argument("--cluster-version", metavar="VERSION", help="the Kubernetes version the files are for")
    parser.add_argument("--all-workers", action="store_true", help="tune all workers, and send pods nowhere")
    parser.add_argument("--kubelet-config", action="store_true",
                        help="add a KubeletConfig that lets pods set what is not safe")  # fmt: skip
    parser.add_argument("--base", metavar="PROFILE", default=manifests.BASE,
                        help="profile that new ones include (default openshift-node; '' for none)")  # fmt: skip
    parser.add_argument("--output", "-o", choices=("text", "json"), default="text", help="form of the report")


def run(args: argparse.Namespace) -> int:
    """Run `migrate`; the exit code."""
    if not args.paths:
        raise UsageError("migrate needs a file, a directory or -", hint="podsysctl migrate --help")
    if sum((args.in_place, args.dry_run, args.output_dir is not None)) > 1:
        raise UsageError("--in-place, --output-dir and --dry-run exclude each other")
    if args.in_place and "-" in args.paths:
        raise UsageError("standard input cannot be changed in place", hint="leave out --in-place")
    given = check_files.read(args.paths)
    result = migrate.migrate(given, _nodes(args), Options(not args.all_workers, args.base, args.kubelet_config))
    _check(result)
    unread = [f"{f.file}:{f.position.line}: {f.message}" for f in given.findings]
    if args.in_place:
        for file, text in result.texts.items():
            _write(Path(file), text)
    elif args.output_dir is not None:
        _write_below(Path(args.output_dir), given, result)
    elif not args.dry_run and args.output == "text":
        sys.stdout.write(_stream(given, result))
    if args.output == "json":
        with_texts = not (args.in_place or args.output_dir is not None or args.dry_run)
        json.dump(_report(given, result, unread, with_texts=with_texts), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.flush()  # where both go to one file, the talk comes after the manifests
        sys.stderr.write(_talk(result, unread, "would be migrated" if args.dry_run else "migrated"))
    would_change = args.dry_run and bool(result.texts)
    return 0 if result.is_complete and not unread and not would_change else 3


def _nodes(args: argparse.Namespace) -> Nodes:
    minor = parse_cluster_version(args.cluster_version).minor if args.cluster_version else KUBERNETES_MINOR
    path = Path(args.kernel) if args.kernel else None
    if path is None or not path.is_file():
        return Nodes(Target(minor, parse_kernel_version(args.kernel) if args.kernel else None))
    try:
        text = path.read_text()
        raw = json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    if isinstance(raw, dict) and isinstance(raw.get("values"), dict):
        values = {_dotted(name): str(value) for name, value in raw["values"].items()}
        return Nodes(Target(minor, parse_kernel_version(str(raw.get("release") or ""))), values)
    facts = KernelFacts.from_json(text)
    return Nodes(Target(minor, facts.version, facts))


def _dotted(name: str) -> str:
    try:
        return parse_name(name).dotted
    except PodsysctlError:
        return name


def _check(result: Result) -> None:
    """What was written must be readable: a text that is not would be a defect of ours, and is not given out."""
    for file, text in result.texts.items():
        try:
            yamltext.load_nodes(text)
        except PodsysctlError as error:
            raise PodsysctlError(f"{file} would become unreadable: {error.message}", hint="please report it") from error


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _write_below(directory: Path, given: Input, result: Result) -> None:
    """Every file that was read, changed or not, at its own place below the directory."""
    for file, text in given.texts.items():
        name = "stdin.yaml" if file == check_files.STANDARD_INPUT else file
        parts = [part for part in Path(name).parts if part not in ("/", "..")]
        _write(directory.joinpath(*parts), result.texts.get(file, text))


def _stream(given: Input, result: Result) -> str:
    """All YAML that was read as one stream."""
    lines_of = {file.file for file in given.files}
    texts = [result.texts.get(file, text) for file, text in given.texts.items() if file not in lines_of]
    out = ""
    for text in texts:
        out += "" if not out or text.startswith("---") else "---\n"
        out += text if text.endswith("\n") or not text else text + "\n"
    return out


def _talk(result: Result, unread: list[str], done: str) -> str:
    lines = [f"{line}: was not read" for line in unread]
    for outcome in result.outcomes:
        what = f"container {outcome.container} of {outcome.title}" if outcome.container else outcome.title
        lines.append(f"{outcome.file}:{outcome.line}: {what}: {'left as it is' if outcome.left else done}")
        lines += [f"  {text}" for text in outcome.left]
        for value in outcome.values:
            if not outcome.left or value.place is not Place.UNDECIDED:
                would = "would go" if outcome.left and value.place in (Place.POD, Place.NODE) else ""
                words = _DONE[value.place].replace("goes", would) if would else _DONE[value.place]
                lines.append(f"  {value.name}={value.value} {words}: {value.why}")
        lines += [f"  note: {note}" for note in outcome.notes]
    if not result.outcomes:
        lines.append("nothing here sets kernel parameters with privileges")
    if result.allow:
        names = ", ".join(sorted(result.allow))
        lines.append(f"nodes must allow {names} (allowedUnsafeSysctls), and admission must let such pods pass")
    lines += [f"nodes for these pods: podsysctl node dedicate NODE --for {manifests.PROFILE_LABEL}={name}"
              for name in result.dedicate]  # fmt: skip
    return "\n".join(lines) + "\n"


def _report(given: Input, result: Result, unread: list[str], *, with_texts: bool) -> Mapping[str, Any]:
    report: dict[str, Any] = {
        "version": 1,
        "complete": result.is_complete and not unread,
        "containers": [_outcome(outcome) for outcome in result.outcomes],
        "tuned": [t.name for t in result.tuned],
        "nodesMustAllow": sorted(result.allow),
        "dedicate": [{"label": manifests.PROFILE_LABEL, "value": name} for name in result.dedicate],
        "unread": unread,
    }
    files = [{"file": file, "changed": file in result.texts} for file in given.texts]
    if with_texts:
        for entry in files:
            entry["text"] = result.texts.get(str(entry["file"]), given.texts[str(entry["file"])])
    return {**report, "files": files}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.file,
        "line": outcome.line,
        "object": outcome.title,
        "container": outcome.container,
        "migrated": not outcome.left,
        "values": [_value(value) for value in outcome.values],
        "notes": list(outcome.notes),
        "left": list(outcome.left),
    }


def _value(value: Destination) -> dict[str, Any]:
    return {
        "name": value.name,
        "value": value.guard + value.value,
        "goes": str(value.place),
        "why": value.why,
        "nodesMustAllow": value.allow,
    }
