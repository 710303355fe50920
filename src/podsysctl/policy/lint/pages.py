"""What is written about each rule: the pages below docs/rules/, the same text for reports and for the command line.

The text is the docstring of the rule's module.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping, Sequence

from podsysctl.policy.lint.finding import Rule
from podsysctl.policy.lint.rules import RULES

_GROUPS: Mapping[str, str] = {
    "PSC0": "Pods and workloads, and names and values everywhere",
    "PSC1": "Kubelet configuration",
    "PSC2": "SecurityContextConstraints",
    "PSC3": "Tuned",
    "PSC4": "Network attachments",
    "PSC5": "Compose files and quadlets",
    "PSC6": "sysctl.d and quadlet lines",
    "PSC9": "Reading",
}


def explanation(rule: Rule) -> str:
    """What the rule finds, why it is wrong and what to do, in Markdown."""
    module = sys.modules[rule.check.__module__]
    return inspect.cleandoc(module.__doc__ or "")


def page(rule: Rule) -> str:
    """The rule's own page."""
    first, _, rest = explanation(rule).partition("\n\n")
    return (
        f"# {rule.id} {rule.name}\n\n{first}\n\nSeverity: {rule.severity}\n\n{rest}\n\n"
        f"Excuse one place with a comment `# podsysctl:ignore {rule.id}` on its line or alone on the line above, a file"
        f"\nwith `# podsysctl:ignore-file {rule.id}`, everything with `--without {rule.id}`.\n"
    )


def index(rules: Sequence[Rule] = RULES) -> str:
    """The table of all rules."""
    lines = ["# Rules of `podsysctl check`", "", "`podsysctl check --explain RULE` prints these pages.", ""]
    for prefix, title in _GROUPS.items():
        lines += [f"## {title}", "", "| rule | severity | finds |", "|---|---|---|"]
        for rule in rules:
            if rule.id.startswith(prefix):
                lines.append(f"| [{rule.id} {rule.name}]({rule.id}.md) | {rule.severity} | {_in_table(rule.summary)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _in_table(text: str) -> str:
    return re.sub(r"\|", r"\\|", text)
