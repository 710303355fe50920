"""`describe` of Tuned and Profile objects: rules in words, who has which profile, and what a profile comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from podsysctl.base.errors import PodsysctlError
from podsysctl.cli.describe_text import Writer, controller, moment
from podsysctl.client.rest import Object
from podsysctl.controllers.tuning import rules
from podsysctl.controllers.tuning.rules import Match, Rule
from podsysctl.objects import tuning
from podsysctl.sysctls.tuned import anywhere
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import Plan, Setting


def tuned(obj: Object, profiles: Sequence[Object] | None, events: list[Object] | None) -> str:
    """The description of a Tuned. `profiles` are the Profiles of all nodes, None when they may not be read."""
    w = Writer()
    _head(w, obj)
    spec = obj.get("spec") or {}
    if spec.get("managementState") or obj["metadata"]["name"] == tuning.DEFAULT:
        w.line(0, f"Management State:\t{spec.get('managementState') or 'Managed'}")
    found = rules.parse([obj])
    if found:
        w.line(0, "Rules:")
        w.table(1, ["Priority", "Profile", "For"], ((rule.priority, rule.profile, rule_text(rule)) for rule in found))
    else:
        w.line(0, "Rules:\t<none>")
    if profiles is not None:
        _users(w, found, profiles)
    _conditions(w, obj)
    w.flush()
    for profile in spec.get("profile") or ():
        w.line(0, f"Profile {profile.get('name')}:")
        for line in str(profile.get("data") or "").rstrip("\n").split("\n"):
            w.line(1, line)
        w.flush()
    w.events(events)
    return w.text()


def profile(obj: Object, events: list[Object] | None) -> str:
    """The description of a Profile, with what the chosen profile comes to."""
    w = Writer()
    _head(w, obj)
    if controller(obj):
        w.line(0, f"Controlled By:\t{controller(obj)}")
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    config = spec.get("config") or {}
    name = str(config.get("tunedProfile") or "")
    w.line(0, f"Profile:\t{name}")
    w.line(0, f"Applied Profile:\t{status.get('tunedProfile') or '<none>'}")
    if status and status.get("observedGeneration") != obj["metadata"].get("generation"):
        w.line(0, "Up To Date:\tno, the node has not answered the last change yet")
    files = (config.get("tunedConfig") or {}).get("reapply_sysctl")
    w.line(0, f"Host Files:\t{'lose against the profile' if files is False else 'win over the profile'}")
    requirements = spec.get("requirements") or ()
    if requirements:
        w.line(0, "Requirements Of:")
        w.table(1, ["Profile", "Owner"], ((r.get("profile"), r.get("owner", "")) for r in requirements))
    texts = {str(p.get("name")): str(p.get("data") or "") for p in spec.get("profile") or ()}
    _plan(w, name, texts)
    _effective(w, status.get("effective") or ())
    _conditions(w, obj)
    w.events(events)
    return w.text()


def rule_text(rule: Rule) -> str:
    """For which nodes a rule is, in words."""
    parts = []
    if rule.match is not None or rule.machine_config_labels is None:
        parts.append(_any(rule.match or ()))
    if rule.machine_config_labels is not None:
        labels = ",".join(f"{key}={value}" for key, value in sorted(rule.machine_config_labels.items()))
        parts.append(f"pools that select {labels or 'no labels'}")
    return ", or ".join(parts)


def _any(entries: Sequence[Match]) -> str:
    return ", or ".join(map(_one, entries)) or "every node"


def _one(entry: Match) -> str:
    if entry.never:
        return "nobody (not of the right form)"
    value = "" if entry.value is None else f"={entry.value}"
    own = f"{'pods' if entry.of_pods else 'nodes'} labelled {entry.label}{value}" if entry.label else "every node"
    if not entry.also:
        return own
    nested = _any(entry.also)
    return f"{own} and ({nested})" if len(entry.also) > 1 else f"{own} and {nested}"


def _head(w: Writer, obj: Object) -> None:
    metadata = obj["metadata"]
    w.line(0, f"Name:\t{metadata['name']}")
    w.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    w.labels("Labels", metadata.get("labels"))
    w.annotations("Annotations", metadata.get("annotations"))


def _users(w: Writer, found: Iterable[Rule], profiles: Iterable[Object]) -> None:
    """The nodes that have a profile which this Tuned recommends."""
    recommended = {rule.profile for rule in found}
    rows = []
    for one in profiles:
        name = str(((one.get("spec") or {}).get("config") or {}).get("tunedProfile") or "")
        if name in recommended:
            rows.append((one["metadata"]["name"], name))
    if rows:
        w.line(0, "Nodes:")
        w.table(1, ["Name", "Profile"], sorted(rows))
    else:
        w.line(0, "Nodes:\t<none>")


def _conditions(w: Writer, obj: Object) -> None:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    if conditions:
        w.line(0, "Conditions:")
        cells = (
            (
                c.get("type"),
                c.get("status"),
                moment(c.get("lastTransitionTime")),
                c.get("reason", ""),
                c.get("message", ""),
            )
            for c in conditions
        )
        w.table(1, ["Type", "Status", "LastTransitionTime", "Reason", "Message"], cells)


def _effective(w: Writer, entries: Iterable[Object]) -> None:
    """What the node's kernel has, who is behind that, and below it who wants another value."""
    rows: list[tuple[str, str, str]] = []
    for entry in entries:
        rows.append((str(entry.get("name")), str(entry.get("value")), str(entry.get("winner"))))
        rows += [("", "", f"and not {loser}") for loser in entry.get("losers") or ()]
    if rows:
        w.line(0, "In Force:")
        w.table(1, ["Name", "Value", "By"], rows)


def _plan(w: Writer, name: str, texts: Mapping[str, str]) -> None:
    """The sysctls that the profile comes to; those that depend on the machine are only counted."""
    try:
        first, *others = (build_plan(name, texts, machine) for machine in anywhere.MACHINES)
    except PodsysctlError as error:
        w.line(0, f"Sysctls:\tnone: {error.message}")
        return
    shared = [s for s in first.sysctls if all(_has(plan, s) for plan in others)]
    varying = {str(s.name) for plan in (first, *others) for s in plan.sysctls} - {str(s.name) for s in shared}
    if shared:
        w.line(0, "Sysctls:")
        w.table(1, ["Name", "Value", "From"], ((s.name, _value(s), s.place.profile) for s in shared))
    else:
        w.line(0, "Sysctls:\t<none>")
    if varying:
        w.line(0, f"Depending On The Machine:\t{', '.join(sorted(varying))}")


def _has(plan: Plan, setting: Setting) -> bool:
    return any((s.name, s.value, s.guard) == (setting.name, setting.value, setting.guard) for s in plan.sysctls)


def _value(setting: Setting) -> str:
    words = {">": "at least ", "<": "at most "}
    return words.get(setting.guard.value, "") + setting.value
