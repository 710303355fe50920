"""A pod needs a node-level value that only some nodes get, and is not sent there.

A Tuned object among the files sets the value on nodes with a label. A pod that needs it and may land elsewhere runs
without it: databases refuse to start there, or are slow without a word. Such a pod is one

- that asks for the value itself, in its sysctls or in a privileged init container,
- whose image is known to need it (Elasticsearch, OpenSearch and SonarQube want `vm.max_map_count` of 262144),
- after which the profile is named (`web-sysctls` for `web`, as `podsysctl migrate` calls them),
- that has one half of the placement: the toleration without the nodeSelector lands anywhere, the nodeSelector without
  the toleration waits for ever before the taint of `podsysctl node dedicate`.

Give the pod the nodeSelector and the toleration that `podsysctl node dedicate NODE --for KEY=NAME` prints. DaemonSets
are left alone, and so are profiles for all workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from podsysctl.objects import taints
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Document, Kind, at
from podsysctl.policy.lint.extraction import node_choices, profiles, spec_path, sysctl_entries
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import is_node_level, parse
from podsysctl.policy.migration import pods
from podsysctl.policy.migration.destination import Nodes, Place
from podsysctl.policy.migration.manifests import PROFILE_LABEL

_ROLE = "node-role.kubernetes.io/"
_IMAGES = {"elasticsearch": "vm.max_map_count", "opensearch": "vm.max_map_count", "sonarqube": "vm.max_map_count"}
_SUFFIX = "-sysctls"


@dataclass(frozen=True, slots=True)
class _Choice:
    """A profile for nodes with one label, and the parameters that it sets."""

    tuned: Document
    profile: str
    label: str
    value: str
    names: frozenset[str]


def check(context: Context) -> Iterator[Finding]:
    """Compare each pod with the profiles for some nodes."""
    choices = [choice for tuned in context.of_kind(Kind.TUNED) for choice in _choices(tuned)]
    for document in context.of_kind(Kind.WORKLOAD):
        base = spec_path(document)
        spec = document.get(*base)
        if not isinstance(spec, dict) or document.get("kind") == "DaemonSet":
            continue
        half = _half(spec)
        if half:
            text = f"{document.title}: {half}"
            yield find(RULE.id, RULE.severity, document, base, text, subject=PROFILE_LABEL, hint=_HINT)
            continue
        for choice in choices:
            why = _need(document, spec, choice, context)
            if why and not _is_sent(spec, choice.label, choice.value):
                where = f"{choice.label}={choice.value}" if choice.value else choice.label
                given = f"{choice.tuned.title} gives it to nodes with {where}"
                text = f"{document.title}: {why}; {given}, and the pod may run elsewhere"
                yield find(RULE.id, RULE.severity, document, base, text, subject=choice.profile, hint=_HINT)
                break


_HINT = "nodeSelector and toleration: `podsysctl node dedicate NODE --for KEY=NAME` prints them"


def _choices(tuned: Document) -> Iterator[_Choice]:
    """The profiles that only some nodes get: a role is no such choice."""
    names = {
        name: frozenset(parsed.dotted for entry in sysctl_entries(data) if (parsed := parse(entry.key)) is not None)
        for _, name, data in profiles(tuned)
    }
    for profile, labels in node_choices(tuned):
        chosen = [(label, value) for label, value in labels if not label.startswith(_ROLE)]
        if chosen and profile in names:
            yield _Choice(tuned, profile, *chosen[0], names[profile])


def _need(document: Document, spec: dict[str, Any], choice: _Choice, context: Context) -> str:
    """What the pod needs of a profile; empty when it is nothing that anybody knows."""
    for name in _asked(spec, context):
        if name in choice.names:
            return f"it needs {name}"
    for container in [*_listed(spec, pods.INIT), *_listed(spec, pods.REGULAR)]:
        image = str(at(container, ("image",)) or "").rpartition("/")[2].partition("@")[0].partition(":")[0]
        known = _IMAGES.get(image)
        if known in choice.names:
            return f"{image} needs {known}"
    if document.name and choice.profile == document.name + _SUFFIX:
        return f"profile {choice.profile} is for it"
    return ""


def _asked(spec: dict[str, Any], context: Context) -> Iterator[str]:
    """Node-level names that the pod asks for, where they can be given and where they cannot."""
    for entry in _listed(at(spec, ("securityContext",)), "sysctls"):
        name = at(entry, ("name",))
        parsed = parse(name) if isinstance(name, str) else None
        if parsed is not None and is_node_level(parsed.dotted):
            yield parsed.dotted
    for setter in pods.setters_of(spec, Nodes(context.target)):
        yield from (value.name for value in setter.values if value.place is Place.NODE)


def _half(spec: dict[str, Any]) -> str:
    """What is missing when a pod has one half of the placement; empty when it has both, or none."""
    selected = at(spec, ("nodeSelector", PROFILE_LABEL))
    entries = [t for t in _listed(spec, "tolerations") if at(t, ("key",)) == PROFILE_LABEL]
    if isinstance(selected, str):
        taint = {"key": PROFILE_LABEL, "value": selected, "effect": "NoSchedule"}
        tolerations = [t for t in _listed(spec, "tolerations") if isinstance(t, dict)]
        if taints.first_untolerated([taint], tolerations, ("NoSchedule",)) is not None:
            return f"it chooses nodes with {PROFILE_LABEL}={selected} and does not tolerate their taint"
    elif entries and not _is_sent(spec, PROFILE_LABEL, str(at(entries[0], ("value",)) or "")):
        value = at(entries[0], ("value",))
        return f"it tolerates the taint {PROFILE_LABEL}{f'={value}' if value else ''} and does not choose its nodes"
    return ""


def _is_sent(spec: dict[str, Any], label: str, value: str) -> bool:
    """Whether the pod runs only on nodes with the label."""
    selected = at(spec, ("nodeSelector", label))
    if isinstance(selected, str) and value in ("", selected):
        return True
    terms = at(
        spec, ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    )
    listed = terms if isinstance(terms, list) else []
    return bool(listed) and all(_demands(term, label, value) for term in listed)


def _demands(term: Any, label: str, value: str) -> bool:
    for expression in _listed(term, "matchExpressions"):
        if at(expression, ("key",)) != label:
            continue
        values, operator = at(expression, ("values",)), at(expression, ("operator",))
        if not value and operator in ("Exists", "In"):
            return True
        if operator == "In" and values == [value]:
            return True
    return False


def _listed(value: Any, key: str) -> list[Any]:
    found = at(value, (key,))
    return found if isinstance(found, list) else []


RULE = Rule("PSC019", "pod-not-placed", Severity.WARNING, "A pod may miss the node-level value it needs", check)
