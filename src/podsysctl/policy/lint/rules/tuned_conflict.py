"""Two Tuned objects get in each other's way.

A profile name with different content in two objects makes both invalid, and no node's profile is updated any more.
Two recommendations of the same priority for different profiles are decided by the objects' names.

Give each profile a name and a priority of its own; custom ones use numbers below 30.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind
from podsysctl.policy.lint.extraction import profiles
from podsysctl.policy.lint.finding import Finding, Rule, Severity


def check(context: Context) -> Iterator[Finding]:
    """Compare names and priorities over all objects."""
    seen: dict[tuple[str, str], tuple[Document, str]] = {}
    priorities: dict[tuple[str, int], tuple[Document, str]] = {}
    for document in context.of_kind(Kind.TUNED):
        for index, name, data in profiles(document):
            first, content = seen.setdefault((document.variant, name), (document, data))
            if content != data:
                where = f"{first.title} ({first.file})"
                text = f"{document.title}: profile {name} has other content in {where}; neither is applied"
                path = ("spec", "profile", index, "name")
                yield find(RULE.id, RULE.severity, document, path, text, subject=name)
        entries = document.get("spec", "recommend")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            priority = entry.get("priority") if isinstance(entry, dict) else None
            if not isinstance(priority, int) or isinstance(priority, bool):
                continue
            profile = str(entry.get("profile"))
            other, chosen = priorities.setdefault((document.variant, priority), (document, profile))
            if chosen != profile:
                text = f"{document.title}: priority {priority} is also that of {chosen} in {other.title}"
                path = ("spec", "recommend", index, "priority")
                yield find(RULE.id, Severity.WARNING, document, path, text, subject=profile)


RULE = Rule("PSC304", "tuned-conflict", Severity.ERROR, "Two Tuned objects contradict each other", check)
