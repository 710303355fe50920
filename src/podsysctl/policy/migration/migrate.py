"""The whole migration of files: what is taken out, what takes its place, and what a person must decide.

Pure: texts in, texts and a report out. A pod is changed whole or not at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podsysctl.policy import kubelet
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.document import Document, Kind, Path, at
from podsysctl.policy.lint.engine import Input
from podsysctl.policy.lint.extraction import node_choices, spec_path
from podsysctl.policy.lint.finding import Edit
from podsysctl.policy.lint.kubelet_lists import kubelet_lists
from podsysctl.policy.migration import manifests, pod_edits, pods
from podsysctl.policy.migration.destination import Destination, Nodes, Place
from podsysctl.policy.migration.manifests import PROFILE_LABEL, Match, Tuned
from podsysctl.policy.migration.pods import Setter
from podsysctl.policy.remedies.node_level import PRIORITY

_OS_LABEL = ("kubernetes.io/os", "linux")
_NAME_LENGTH = 63
_REWRITTEN = "it is written in flow style or as JSON, which is not rewritten"
THP = "/sys/kernel/mm/transparent_hugepage/"


@dataclass(frozen=True, slots=True)
class Options:
    """`place` gives pods that need the node's values a nodeSelector and a toleration; else all workers are tuned.

    `base` is the profile that nodes have without the new ones, which therefore include it; empty for none.
    """

    place: bool = True
    base: str = manifests.BASE
    kubelet_config: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one container, or of a whole DaemonSet. `left` says why nothing was changed."""

    file: str
    line: int
    title: str
    container: str
    values: tuple[Destination, ...] = ()
    notes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """`texts` are the files that changed; `allow` what nodes must allow; `dedicate` profiles that want nodes."""

    outcomes: list[Outcome] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    allow: set[str] = field(default_factory=set)
    tuned: list[Tuned] = field(default_factory=list)
    dedicate: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left for a person to decide."""
        return not any(outcome.left for outcome in self.outcomes)


@dataclass(slots=True)
class _Site:
    """Where a Tuned object will be written: instead of a document, or at the end of its file."""

    tuned: Tuned
    document: Document
    instead: bool


class _Migration:
    def __init__(self, given: Input, nodes: Nodes, options: Options) -> None:
        self._given = given
        self._nodes = nodes
        self._options = options
        self._sites: dict[Match, _Site] = {}
        self._edits: dict[str, list[Edit]] = {}
        self._names = {d.name for d in given.documents if d.kind is Kind.TUNED}
        self._present = {
            match: document.title for document in given.documents if document.kind is Kind.TUNED
            for _, match in node_choices(document)
        }  # fmt: skip
        self._scripts = pods.scripts_of(given.documents)
        self._allowed = _allowed(given)
        self.result = Result()

    def run(self) -> Result:
        for document in self._given.documents:
            self._operator(document)
            if document.kind is not Kind.WORKLOAD:
                continue
            base = spec_path(document)
            is_daemon_set = document.get("kind") == "DaemonSet" and document.custom_template is None
            if not (is_daemon_set and self._daemon_set(document, base)):
                self._pod(document, base)
        self._write()
        return self.result

    # --- DaemonSets that only set values

    def _daemon_set(self, document: Document, base: Path) -> bool:
        """Replace a DaemonSet that does nothing else; False when it is there for its own work."""
        spec = document.get(*base)
        scripts = self._scripts.get(document.namespace, pods.NO_SCRIPTS)
        if not _only_sets(spec, scripts):
            return False
        setters = pods.setters_of(spec, self._nodes, lasts=False, scripts=scripts)
        values = tuple(value for setter in setters for value in setter.values)
        left = [text for setter in setters for text in setter.undecided]
        match = _match_of(spec)
        if match is None:
            left.append("it chooses its nodes by affinity, which a Tuned object cannot say")
        node, problem = _of_node(values)
        left += [problem] if problem else []
        sysfs = {path: text for setter in setters for path, text in setter.effects.sysfs}
        if not left and match is not None:
            drift = any(setter.effects.repeats for setter in setters)
            left += self._replace(document, match, node, sysfs, drift=drift)
        notes = [*_notes(setters), *_leftovers(document, spec)]
        self._tell(document, (), "", values, notes, left)
        return True

    def _replace(
        self, document: Document, match: Match, node: Mapping[str, str], sysfs: Mapping[str, str], *, drift: bool
    ) -> list[str]:
        """Write a Tuned object where the DaemonSet stands; what is in the way, if anything."""
        removed = edits.replace_document(document, "")
        if not removed:
            return [_REWRITTEN]
        if anchor := pod_edits.referenced(document, removed):
            return [anchor]
        if not node and not sysfs:
            self._add(document, edits.replace_document(document, f"# {document.title}: nothing of it is needed.\n"))
            return []
        site = self._sites.get(match)
        problem = self._join(document, match, node, sysfs, drift=drift, instead=True)
        if problem:
            return [problem]
        if site is not None:
            text = f"# {document.title}: Tuned {site.tuned.name} sets its values.\n"
            self._add(document, edits.replace_document(document, text))
        return []

    # --- pods that do something else

    def _pod(self, document: Document, base: Path) -> None:
        spec = document.get(*base)
        scripts = self._scripts.get(document.namespace, pods.NO_SCRIPTS)
        setters = pods.setters_of(spec, self._nodes, scripts=scripts)
        if not setters:
            return
        going = [s for s in setters if _may_go(spec, s) and not s.undecided]
        for setter in setters:
            if setter not in going:
                left = setter.undecided or ["it is the pod's own container: take what it sets out of its command"]
                path = (*base, setter.key, setter.index)
                self._tell(document, path, setter.name, setter.values, _notes([setter]), left)
        if going:
            left = self._rewrite(document, base, spec, going)
            for setter in going:
                path = (*base, setter.key, setter.index)
                self._tell(document, path, setter.name, setter.values, _notes([setter]), left)

    def _rewrite(self, document: Document, base: Path, spec: Any, going: Sequence[Setter]) -> list[str]:
        """Change one pod; what is in the way, if anything."""
        values = [value for setter in going for value in setter.values]
        own = {v.name: v.value for v in values if v.place is Place.POD}
        node, problem = _of_node(values)
        if problem:
            return [problem]
        sysfs = {path: text for setter in going for path, text in setter.effects.sysfs}
        contradicted = pod_edits.contradiction(spec, own)
        if contradicted:
            return [contradicted]
        removed = pod_edits.remove_containers(document, base, [(s.key, s.index) for s in going])
        added = pod_edits.add_sysctls(document, base, own)
        if removed is None or added is None:
            return [_REWRITTEN]
        if anchor := pod_edits.referenced(document, removed):
            return [anchor]
        placed: tuple[Edit, ...] = ()
        if node or sysfs:
            match, name = self._target(document, spec)
            if name:
                found = pod_edits.add_placement(document, base, PROFILE_LABEL, name)
                if found is None:
                    return [f"its nodeSelector or tolerations cannot take {PROFILE_LABEL}={name}"]
                placed = found
            problem = self._join(document, match, node, sysfs, drift=False, instead=False)
            if problem:
                return [problem]
            if name and name not in self.result.dedicate:
                self.result.dedicate.append(name)
        self._add(document, (*removed, *added, *placed))
        self.result.allow |= {v.name for v in values if v.place is Place.POD and v.allow and not self._is_allowed(v)}
        return []

    def _target(self, document: Document, spec: Any) -> tuple[Match, str]:
        """Which nodes get the pod's node-level values, and the name of their profile when the pod is sent there."""
        if document.get("kind") == "DaemonSet":
            return _match_of(spec) or ((manifests.WORKER_LABEL, ""),), ""
        if not self._options.place:
            return ((manifests.WORKER_LABEL, ""),), ""
        name = _profile_name(document)
        return ((PROFILE_LABEL, name),), name

    def _operator(self, document: Document) -> None:
        """Operators that add a privileged init container of their own."""
        if document.get("kind") == "OpenSearchCluster" and document.get("spec", "general", "setVMMaxMapCount") is True:
            path = ("spec", "general", "setVMMaxMapCount")
            text = "its operator adds a privileged init container for vm.max_map_count: tune the nodes, then say false"
            if not any(outcome.left == (text,) and outcome.title == document.title for outcome in self.result.outcomes):
                self._tell(document, path, "", (), (), [text])

    # --- the parts

    def _join(
        self, document: Document, match: Match, node: Mapping[str, str], sysfs: Mapping[str, str], *, drift: bool,
        instead: bool,
    ) -> str:  # fmt: skip
        """Add values to the Tuned object of these nodes: a node takes one profile, so there is one for each choice."""
        site = self._sites.get(match)
        if site is None and match in self._present:
            wanted = " ".join(f"{key}={value}" for key, value in {**node, **sysfs}.items())
            return f"{self._present[match]} tunes the same nodes, and a node takes one profile: add {wanted} to it"
        if site is None:
            wanted = match[0][1] if match and match[0][0] == PROFILE_LABEL else _profile_name(document)
            site = _Site(Tuned(self._free(wanted), match), document, instead)
        values, files = dict(site.tuned.values), dict(site.tuned.sysfs)
        for target, more in ((values, node), (files, sysfs)):
            for key, value in more.items():
                merged = _merged(target.get(key), value)
                if merged is None:
                    return f"{key}={value} contradicts {target[key]} of {', '.join(site.tuned.owners)}"
                target[key] = merged
        site.tuned.values, site.tuned.sysfs = values, files
        site.tuned.correct_drift = site.tuned.correct_drift or drift
        if document.name not in site.tuned.owners:
            site.tuned.owners.append(document.name or "a pod")
        self._sites[match] = site
        return ""

    def _free(self, name: str) -> str:
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        found = next(n for n in itertools.chain((name,), numbered) if n not in self._names)
        self._names.add(found)
        return found

    def _is_allowed(self, value: Destination) -> bool:
        name = value.name
        return any(name == a or (a.endswith("*") and name.startswith(a[:-1])) for a in self._allowed)

    def _add(self, document: Document, changes: Sequence[Edit]) -> None:
        self._edits.setdefault(document.file, []).extend(changes)

    def _tell(
        self, document: Document, path: Path, container: str, values: Sequence[Destination], notes: Sequence[str],
        left: Sequence[str],
    ) -> None:  # fmt: skip
        line = document.position(path).line
        outcome = Outcome(
            document.file, line, document.title, container, tuple(values), tuple(dict.fromkeys(notes)), tuple(left)
        )
        self.result.outcomes.append(outcome)

    def _write(self) -> None:
        """Turn what was decided into texts."""
        used = {
            entry.get("priority")
            for document in self._given.documents
            if document.kind is Kind.TUNED
            for entry in document.get("spec", "recommend") or ()
            if isinstance(entry, dict)
        }
        free = (n for n in range(PRIORITY, 1_000_000) if n not in used)
        appended: dict[str, list[str]] = {}
        broader, corrects = "", False
        for site in sorted(self._sites.values(), key=lambda s: _breadth(s.tuned.match), reverse=True):
            # A node takes one profile: the narrower one, which therefore holds what the broader one would have set.
            site.tuned.include = broader or self._options.base
            site.tuned.correct_drift = site.tuned.correct_drift or corrects
            if _breadth(site.tuned.match):
                broader, corrects = site.tuned.name, site.tuned.correct_drift
        for site in sorted(self._sites.values(), key=lambda s: _breadth(s.tuned.match)):
            site.tuned.priority = next(free)
            self.result.tuned.append(site.tuned)
            if site.instead:
                self._add(site.document, edits.replace_document(site.document, site.tuned.text()))
            else:
                appended.setdefault(site.document.file, []).append(site.tuned.text())
        if self._options.kubelet_config and self.result.allow:
            last = next(reversed(self._given.texts))
            appended.setdefault(last, []).append(manifests.kubelet_config(self.result.allow))
        for file, text in self._given.texts.items():
            changed, _ = edits.apply(text, [tuple(self._edits.get(file, ()))])
            for manifest in appended.get(file, ()):
                changed = f"{changed}{'' if changed.endswith(chr(10)) else chr(10)}---\n{manifest}"
            if changed != text:
                self.result.texts[file] = changed


def _breadth(match: Match) -> int:
    """How broad a choice of nodes is: some, all workers, all."""
    return 2 if not match else int(match == ((manifests.WORKER_LABEL, ""),))


def migrate(given: Input, nodes: Nodes, options: Options) -> Result:
    """Take privileged setters of kernel parameters out of everything that was read."""
    return _Migration(given, nodes, options).run()


def _may_go(spec: Any, setter: Setter) -> bool:
    """Whether the pod is a pod without the container: an init container, or one that only waits beside others."""
    others = len(pods.containers_of(spec, pods.REGULAR)) > 1
    return setter.key == pods.INIT or (others and setter.effects.idles)


def _only_sets(spec: Any, scripts: pods.Scripts) -> bool:
    """Whether a pod sets values and then only waits."""
    sets = False
    for key in (pods.INIT, pods.REGULAR):
        for _, container in pods.containers_of(spec, key):
            if _is_pause(container):
                continue
            effects = pods.effects_of(spec, container, scripts)
            if effects.unclear and not (effects.writes or effects.sysfs):
                return False
            if not effects.unclear and effects.changes_nothing and not effects.idles and key == pods.REGULAR:
                return False
            sets = sets or bool(effects.writes or effects.sysfs)
    return sets


def _is_pause(container: Mapping[str, Any]) -> bool:
    image = str(container.get("image") or "").rpartition("/")[2]
    return image.partition("@")[0].partition(":")[0] in ("pause", "pause-amd64") and not container.get("command")


def _match_of(spec: Any) -> Match | None:
    """The nodes that a DaemonSet runs on; None when labels alone do not say."""
    affinity = at(spec, ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"))
    if affinity:
        return None
    selector = at(spec, ("nodeSelector",))
    labels = selector if isinstance(selector, dict) else {}
    chosen = tuple((str(k), str(v if v is not None else "")) for k, v in labels.items() if (k, v) != _OS_LABEL)
    if chosen:
        return chosen
    tolerations = at(spec, ("tolerations",))
    everywhere = any(
        at(t, ("operator",)) == "Exists" and not at(t, ("key",)) and at(t, ("effect",)) in (None, "", "NoSchedule")
        for t in (tolerations if isinstance(tolerations, list) else ())
    )
    return () if everywhere else ((manifests.WORKER_LABEL, ""),)


def _of_node(values: Sequence[Destination]) -> tuple[dict[str, str], str]:
    """The node's values with their guards, of repeated names the last; and what cannot be said in one value."""
    out: dict[str, str] = {}
    for value in values:
        if value.place is Place.NODE:
            wanted = value.guard + value.value
            merged = _merged(out.get(value.name), wanted) if value.guard else wanted
            if merged is None:
                return out, f"{value.name} is written, and then compared: {out[value.name]}, {wanted}"
            out[value.name] = merged
    return out, ""


def _merged(old: str | None, new: str) -> str | None:
    """One value for both; None when they contradict each other. Of two minima the greater."""
    if old is None or old == new:
        return new
    if old[:1] == new[:1] == ">" and old[1:].isdigit() and new[1:].isdigit():
        return max(old, new, key=lambda text: int(text[1:]))
    return None


def _notes(setters: Sequence[Setter]) -> list[str]:
    """What is no sysctl, and what changes nothing."""
    out: list[str] = []
    for setter in setters:
        out += setter.effects.notes
        for path, text in setter.effects.sysfs:
            what = "transparent huge pages are" if path.startswith(THP) else f"{path} is"
            out.append(f"{what} no sysctl, and belong to the whole node: [sysfs] of a Tuned object sets {path}={text}")
    return out


def _leftovers(document: Document, spec: Any) -> Iterator[str]:
    account = at(spec, ("serviceAccountName",)) or at(spec, ("serviceAccount",))
    if account:
        yield f"its ServiceAccount {account} and the rights of it may be needed no longer"


def _profile_name(document: Document) -> str:
    name = f"{document.name.rstrip('-.') or 'pod'}-sysctls"
    return name if len(name) <= _NAME_LENGTH else f"{document.name[: _NAME_LENGTH - 8].rstrip('-.')}-sysctls"


def _allowed(given: Input) -> list[str]:
    """What KubeletConfigs among the files allow."""
    context = Context(given.documents, given.files)
    return [
        kubelet.normalize_name(pattern)
        for _, _, entries in kubelet_lists(context)
        for pattern in entries
        if isinstance(pattern, str)
    ]
