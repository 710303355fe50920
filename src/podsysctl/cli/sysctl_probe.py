"""`podsysctl sysctl probe`: which parameters are namespaced on the running kernel, measured."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import UsageError
from podsysctl.cli import sysctl_output
from podsysctl.kernel import probe
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts
from podsysctl.sysctls.name import parse_name

HELP = """Measure on this kernel which parameters are namespaced, in fresh namespaces that vanish. Works
without root where user namespaces are allowed. The JSON form is what `podsysctl check --kernel-facts` reads.

  podsysctl sysctl probe
  podsysctl sysctl probe --disagreements
  podsysctl sysctl probe --write -o json > facts.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to measure and to show."""
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="show only these names")
    parser.add_argument(
        "--write",
        action="store_true",
        help="also test, in fresh namespaces, that a write shows in no other and not here",
    )
    parser.add_argument(
        "--disagreements", action="store_true", help="show where the prefix rule or the catalogue says something else"
    )
    parser.add_argument("-o", "--output", choices=("table", "json", "summary"), default="table", help="form of output")


def run(args: argparse.Namespace) -> int:
    """Measure and print; exit code 1 when the leak test finds a parameter that is not isolated and was not
    known."""
    facts = probe.measure(write=args.write)
    shown = _select(facts, args.patterns)
    if args.patterns and not shown:
        raise UsageError(f"{' '.join(args.patterns)}: matches no parameter of this kernel")
    if args.write and not facts.privileged:
        sys.stderr.write("podsysctl: the leak test did not run: it needs root\n")
    if args.disagreements:
        _print_disagreements(facts, shown, as_json=args.output == "json")
    elif args.output == "json":
        sysctl_output.write(KernelFacts(facts.release, shown, facts.privileged).to_json())
    else:
        if args.output == "table":
            rows = [(f.name, f.namespace, f.in_pod, f.access, _yes(f.isolated), _notes(f)) for f in shown.values()]
            header = ("NAME", "NAMESPACE", "IN A POD", "ACCESS", "ISOLATED", "NOTES")
            sysctl_output.write_table(header, rows)
        _print_summary(facts)
    leaks = [f for f in facts.facts.values() if f.isolated is False and f.in_pod is not InPod.NODE]
    return 1 if leaks else 0


def _select(facts: KernelFacts, patterns: list[str]) -> dict[str, Fact]:
    if not patterns:
        return dict(facts.facts)
    from podsysctl.sysctls import pattern

    wanted = [pattern.parse_pattern(text) for text in patterns]
    return {name: fact for name, fact in facts.facts.items() if any(item.matches(parse_name(name)) for item in wanted)}


def _yes(answer: bool | None) -> str:
    return "-" if answer is None else "yes" if answer else "NO"


def _notes(fact: Fact) -> str:
    if fact.in_pod is InPod.HIDDEN:
        return "not known: the kernel hides it from this user's namespaces"
    return "hidden with hostUsers: false" if fact.hidden_from_user_namespace else ""


def _print_summary(facts: KernelFacts) -> None:
    counts: dict[str, int] = {}
    for fact in facts.facts.values():
        counts[fact.namespace] = counts.get(fact.namespace, 0) + 1
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    how = "as root" if facts.privileged else "in a user namespace, where the kernel hides some parameters"
    tested = [fact for fact in facts.facts.values() if fact.isolated is not None]
    sysctl_output.write(
        f"\nLinux {facts.release}, measured {how}: {len(facts.facts)} parameters ({listed}); of the node's, "
        f"{len(facts.absent)} are absent and {len(facts.read_only)} read-only in a pod\n"
    )
    if facts.hidden:
        sysctl_output.write(f"{len(facts.hidden)} are hidden from this user's namespaces: only root can measure them\n")
    if len(tested) > 1:
        leaks = [fact.name for fact in tested if not fact.isolated]
        but = f", all but {', '.join(leaks)}" if leaks else ""
        sysctl_output.write(f"leak test: {len(tested) - len(leaks)} of {len(tested)} stay in their namespace{but}\n")


def _print_disagreements(facts: KernelFacts, shown: dict[str, Fact], *, as_json: bool) -> None:
    found = [item for item in probe.disagreements(facts) if item.name in shown]
    if as_json:
        keys = ("name", "by", "says", "measured")
        sysctl_output.write_json([{key: getattr(item, key) for key in keys} for item in found])
        return
    rows = [(item.name, item.by, item.says, item.measured) for item in found]
    sysctl_output.write_table(("NAME", "WHO", "SAYS", "MEASURED"), rows)
