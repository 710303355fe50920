"""An entry of an allowlist allows nothing new.

It is on the safe list of this version, or another entry of the list covers it.

Leave it out, so that the list shows what is really opened.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import safe_names
from podsysctl.policy.lint.kubelet_lists import kubelet_lists


def check(context: Context) -> Iterator[Finding]:
    """Compare each entry with the safe list and with the other entries."""
    target = context.target
    known = safe_names(target.cluster_minor, target.kernel)
    for document, path, entries in kubelet_lists(context):
        names = [kubelet.normalize_name(e) if isinstance(e, str) else "" for e in entries]
        for index, name in enumerate(names):
            if name in known:
                why = "is safe already"
            else:
                cover = next((o for i, o in enumerate(names) if _covers(o, name) and (o != name or i < index)), "")
                why = f"is covered by {cover}" if cover else ""
            if name and why:
                text = f"{document.title}: {entries[index]} {why}"
                fix = edits.remove_item(document, (*path, index)) if len(names) > 1 else ()
                where = (*path, index)
                yield find(RULE.id, RULE.severity, document, where, text, subject=str(entries[index]), edits=fix)


def _covers(entry: str, name: str) -> bool:
    return entry == name or (entry.endswith("*") and name.startswith(entry[:-1]))


RULE = Rule("PSC104", "kubelet-entry-redundant", Severity.NOTE, "The entry allows nothing new", check)
