"""A name is written with slashes, which not every gate understands.

The kubelet takes `kernel/shm_rmid_forced` for `kernel.shm_rmid_forced`. Pod Security and SecurityContextConstraints
compare the text as it is, so the safe name is a violation in this spelling.

Write it with dots.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.setting import Place


def check(context: Context) -> Iterator[Finding]:
    """Names of pods whose first separator is a slash."""
    for setting in context.settings:
        dotted = kubelet.normalize_name(setting.name)
        if setting.place is not Place.POD or dotted == setting.name or setting.document is None:
            continue
        text = f"{setting.owner}: Pod Security and constraints do not know {setting.name}, write {dotted}"
        fix = edits.replace_scalar(setting.document, (*setting.path, "name"), dotted)
        yield find(RULE.id, RULE.severity, setting, (), text, edits=fix)


RULE = Rule("PSC010", "slash-name", Severity.WARNING, "A sysctl's name is written with slashes", check)
