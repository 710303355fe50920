"""A recommended profile asks for something that no node would apply.

It includes what nobody defines, uses a variable or a function that does not exist, states a requirement that is none,
sets a file that is not to be set, or would break the network of the node's pods. TuneD logs an error and applies the
rest; a node of this program applies nothing of such a profile. Both leave the node's Profile degraded.

`docs/node-tuning.md` describes the language. TuneD's and OpenShift's own profiles may be included.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.block_text import position_in
from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.document import Document, Kind
from podsysctl.policy.lint.extraction import profiles
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.rules import dotted_interface, name_invalid, slash_name, tuned_unreadable, value_refused
from podsysctl.policy.lint.rules.tuned_missing import SHIPPED
from podsysctl.sysctls.tuned import anywhere, shipped
from podsysctl.sysctls.tuned.guard import PodNetworking, dangers
from podsysctl.sysctls.tuned.plan import Place, Plan

_KNOWN = dict.fromkeys(SHIPPED, "") | dict(shipped.PROFILES)
_PODS = PodNetworking(bridge="cni0")
"""Pods as they are everywhere: behind a bridge, by IPv4."""

_TOLD_ELSEWHERE = (name_invalid, slash_name, dotted_interface, value_refused, tuned_unreadable)
"""Rules that speak of single lines, whatever profile they are part of."""

Where = tuple[Document, int]


def check(context: Context) -> Iterator[Finding]:
    """Read every recommended profile with all it includes, as nodes do."""
    texts: dict[str, str] = {}
    places: dict[str, Where] = {}
    documents = list(context.of_kind(Kind.TUNED))
    for document in documents:
        for index, name, data in profiles(document):
            texts.setdefault(name, data)
            places.setdefault(name, (document, index))
    told = {(found.file, found.position.line) for rule in _TOLD_ELSEWHERE for found in rule.check(context)}
    for name in dict.fromkeys(_recommended(documents)):
        if name in texts:
            for place, message in _wrong(name, texts):
                found = _finding(places, name, place, message)
                if (found.file, found.position.line) not in told:
                    told.add((found.file, found.position.line))
                    yield found


def _recommended(documents: list[Document]) -> Iterator[str]:
    for document in documents:
        entries = document.get("spec", "recommend")
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("profile"), str):
                yield entry["profile"]


def _wrong(name: str, texts: dict[str, str]) -> Iterator[tuple[Place | None, str]]:
    found = anywhere.plans(name, texts, _KNOWN)
    error = anywhere.error(found)
    if error is not None and "Cannot parse" not in error.message:
        yield None, f"{error.message}{f' ({error.hint})' if error.hint else ''}"
    for problem in anywhere.problems(found):
        yield problem.place, f"TuneD profile {problem.place.profile}: {problem.message}"
    for danger in dangers(found[0], _PODS) if isinstance(found[0], Plan) else ():
        setting = danger.setting
        text = f"{setting.name}={setting.value} would break pod networking: {danger.reason}"
        yield setting.place, f"TuneD profile {setting.place.profile}: {text}"


def _finding(places: dict[str, Where], name: str, place: Place | None, message: str) -> Finding:
    """At the entry's line if one of the files holds it, else at the recommended profile's name."""
    if place is not None and place.profile in places:
        document, index = places[place.profile]
        position = position_in(document, ("spec", "profile", index, "data"), place.line)
    else:
        document, index = places[name]
        position = document.position(("spec", "profile", index, "name"))
    return Finding(RULE.id, RULE.severity, document.file, position, message, name)


RULE = Rule("PSC305", "tuned-profile-refused", Severity.ERROR, "No node would apply the profile", check)
