"""TuneD cannot read a profile.

The Tuned object is stored and its profile is sent to the nodes. TuneD then fails with `Cannot parse …/tuned.conf`,
rolls back what was set before, and the node's Profile is Degraded.

A profile is an INI file: sections in brackets, `key=value` below them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from podsysctl.policy.lint.block_text import position_in
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind, Path
from podsysctl.policy.lint.extraction import profiles, sysctl_entries
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.sysctls.tuned import build, parser

_DEPRECATED = re.compile(rf"(^|[./])({'|'.join(build.DEPRECATED)})$")


def check(context: Context) -> Iterator[Finding]:
    """Lines that mean nothing, assignments outside any section, and keys that TuneD refuses."""
    for document in context.of_kind(Kind.TUNED):
        entries = document.get("spec", "profile")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if not isinstance(entry, dict) or not isinstance(entry.get("data"), str) or not entry.get("name"):
                text = f"{document.title}: a profile needs a name and data"
                yield find(RULE.id, RULE.severity, document, ("spec", "profile", index), text, subject=str(index))
        for index, name, data in profiles(document):
            path: Path = ("spec", "profile", index, "data")
            for line, problem in _problems(data):
                where = position_in(document, path, line)
                yield Finding(RULE.id, RULE.severity, document.file, where, f"TuneD profile {name}: {problem}", name)


def _problems(data: str) -> Iterator[tuple[int, str]]:
    for bad in parser.parse(data).bad:
        yield bad.line, f"{bad.text!r} {bad.why}"
    for entry in sysctl_entries(data):
        if _DEPRECATED.search(entry.key):
            yield entry.line, f"TuneD refuses the deprecated option {entry.key}; use the one in milliseconds"


RULE = Rule("PSC301", "tuned-profile-unreadable", Severity.ERROR, "TuneD cannot read the profile", check)
