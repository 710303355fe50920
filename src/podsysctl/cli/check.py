"""`podsysctl check`: finds mistakes in files that set kernel parameters, without root and without a cluster."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

from podsysctl.base.errors import UsageError
from podsysctl.base.versions import KUBERNETES_MINOR, parse_cluster_version, parse_kernel_version
from podsysctl.cli import check_files, check_formats
from podsysctl.policy.lint import edits, engine, pages
from podsysctl.policy.lint.context import Target
from podsysctl.policy.lint.finding import Finding, Rule, Severity, select
from podsysctl.policy.lint.rules import RULES, file_unreadable
from podsysctl.sysctls.kernel_facts import KernelFacts

HELP = """Check files that set kernel parameters: Pods and every workload kind, KubeletConfig and kubelet drop-ins,
SecurityContextConstraints, Tuned, NetworkAttachmentDefinition, docker compose, Podman quadlets, sysctl.d, and rendered
charts. Directories are searched; - is standard input.

  podsysctl check deploy/                             everything below a directory
  helm template chart | podsysctl check -             a rendered chart
  podsysctl check . --cluster-version 1.30 --kernel 5.14
  podsysctl check . --fix                             repair what is mechanical
  podsysctl check . --write-baseline known.json       accept what there is, then check with --baseline known.json
  podsysctl check --rules                             list the rules; --explain PSC006 tells about one

A comment `# podsysctl:ignore PSC006` excuses a line, `# podsysctl:ignore-file PSC006` a file.
Exit code 0: nothing at or above --fail-on. 3: something is. 2: the question could not be understood."""

_ROUNDS = 10
"""How often files are repaired and read again: two repairs of one place take two rounds."""
_FAIL_ON = {"error": Severity.ERROR, "warning": Severity.WARNING, "note": Severity.NOTE}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `check`."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files, directories, or -")
    parser.add_argument("--cluster-version", metavar="VERSION", help="the Kubernetes version the files are for")
    parser.add_argument("--kernel", metavar="VERSION|FILE", help="the nodes' kernel, or facts recorded of it")
    parser.add_argument("--format", "-o", choices=tuple(check_formats.FORMATS), default="text", dest="output",
                        help="how to print (default text)")  # fmt: skip
    parser.add_argument("--fix", action="store_true", help="repair what is mechanical, in place")
    parser.add_argument("--fail-on", choices=(*_FAIL_ON, "never"), default="error", help="what makes the exit code 3")
    parser.add_argument("--only", action="append", default=[], metavar="RULE", help="run this rule alone")
    parser.add_argument("--without", action="append", default=[], metavar="RULE", help="leave this rule out")
    parser.add_argument("--baseline", metavar="FILE", help="leave out the findings recorded in this file")
    parser.add_argument("--write-baseline", metavar="FILE", help="record the findings in this file and exit 0")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--explain", metavar="RULE", help="tell what a rule finds, why, and what to do")


def run(args: argparse.Namespace) -> int:
    """Run `check`; the exit code."""
    if args.rules:
        sys.stdout.write(check_formats.rule_table(RULES))
        return 0
    if args.explain:
        sys.stdout.write(pages.page(select(RULES, [_known(args.explain)], [])[0]))
        return 0
    if not args.paths:
        raise UsageError("check needs a file, a directory or -", hint="podsysctl check . --help")
    rules = _rules(args)
    target = _target(args)
    chosen = {rule.id for rule in rules} | _always(args)
    given, findings = _findings(args.paths, rules, target, chosen)
    if args.fix:
        repaired = 0
        for _ in range(_ROUNDS):
            made = _fix(given, findings)
            if not made:
                break
            repaired += made
            given, findings = _findings(args.paths, rules, target, chosen)
        if repaired:
            sys.stderr.write(f"{repaired} finding(s) repaired\n")
    if args.write_baseline:
        content = json.dumps({"version": 1, "findings": engine.baseline_of(findings)}, indent=2) + "\n"
        _write(Path(args.write_baseline), content)
        sys.stderr.write(f"{len(findings)} finding(s) recorded in {args.write_baseline}\n")
        return 0
    if args.baseline:
        findings = engine.without_known(findings, _baseline(args.baseline))
    check_formats.FORMATS[args.output](sys.stdout, findings, RULES)
    if args.output == "text":
        sys.stdout.flush()  # where both go to one file, the summary comes after the findings
        sys.stderr.write(_summary(findings, len(given.texts)))
    return 3 if _fails(findings, args.fail_on) else 0


def _findings(
    paths: list[str], rules: list[Rule], target: Target, chosen: set[str]
) -> tuple[engine.Input, list[Finding]]:
    """Read and judge. Without the collector, which would walk all nodes of all files again and again."""
    gc.disable()
    try:
        given = check_files.read(paths)
        return given, [finding for finding in engine.run(given, rules, target) if finding.rule in chosen]
    finally:
        gc.enable()


def _rules(args: argparse.Namespace) -> list[Rule]:
    return select(RULES, [_known(word) for word in args.only], [_known(word) for word in args.without])


def _known(word: str) -> str:
    if not any(word in (rule.id, rule.name) for rule in RULES):
        raise UsageError(f"there is no rule {word!r}", hint="podsysctl check --rules lists them")
    return word


def _always(args: argparse.Namespace) -> set[str]:
    """Rules whose findings are shown even when others are asked for: a file that was not read was not checked."""
    return {rule.id for rule in select((file_unreadable.RULE,), [], args.without)}


def _target(args: argparse.Namespace) -> Target:
    minor = parse_cluster_version(args.cluster_version).minor if args.cluster_version else KUBERNETES_MINOR
    if not args.kernel:
        return Target(minor)
    path = Path(args.kernel)
    if path.is_file():
        try:
            facts = KernelFacts.from_json(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}: {error}") from error
        return Target(minor, facts.version, facts)
    return Target(minor, parse_kernel_version(args.kernel))


def _fix(given: engine.Input, findings: list[Finding]) -> int:
    """Make the edits of every finding that has some; how many findings were repaired."""
    repaired = 0
    for file, text in given.texts.items():
        groups = [finding.edits for finding in findings if finding.file == file and finding.edits]
        if not groups or file == check_files.STANDARD_INPUT:
            continue
        changed, made = edits.apply(text, groups)
        if made:
            _write(Path(file), changed)
            repaired += made
    return repaired


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _baseline(name: str) -> dict[str, int]:
    try:
        raw = json.loads(Path(name).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the baseline {name}: {error}") from error
    known = raw.get("findings") if isinstance(raw, dict) else None
    if not isinstance(known, dict) or not all(isinstance(count, int) for count in known.values()):
        raise UsageError(f"{name} is no baseline", hint="podsysctl check PATH --write-baseline FILE makes one")
    return known


def _fails(findings: list[Finding], fail_on: str) -> bool:
    if fail_on == "never":
        return False
    return any(finding.severity.rank >= _FAIL_ON[fail_on].rank for finding in findings)


def _summary(findings: list[Finding], files: int) -> str:
    counts = {severity: sum(f.severity is severity for f in findings) for severity in Severity}
    shown = ", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items())
    fixable = sum(bool(finding.edits) for finding in findings)
    more = f"; --fix repairs {fixable}" if fixable else ""
    return f"{files} file{'s' * (files != 1)} checked: {shown}{more}\n"
