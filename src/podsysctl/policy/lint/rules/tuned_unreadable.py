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
from podsysctl.policy.lint.extraction import profiles
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.lines import BadLine, parse_sections

_DEPRECATED = re.compile(r"(^|[./])(base_reachable_time|retrans_time)$")


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
            for line in parse_sections(data):
                if isinstance(line, BadLine):
                    problem = f"{line.text!r} is no section, comment or assignment"
                elif not line.section:
                    problem = f"{line.key} stands in no section"
                elif line.section == "sysctl" and _DEPRECATED.search(line.key):
                    problem = f"TuneD refuses the deprecated option {line.key}; use the one in milliseconds"
                else:
                    continue
                where = position_in(document, path, line.line)
                text = f"TuneD profile {name}: {problem}"
                yield Finding(RULE.id, RULE.severity, document.file, where, text, name)


RULE = Rule("PSC301", "tuned-profile-unreadable", Severity.ERROR, "TuneD cannot read the profile", check)
