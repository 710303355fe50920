"""Which constraint admits a pod, and the text of the refusal when none does.

Step in the path: mutating admission. Access (users, groups, RBAC) is asked through `usable`; namespaces that are left
alone, and updates that do not matter, are decided here too.
Source: apiserver-library-go pkg/securitycontextconstraints/sccadmission/admission.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, status
from podsysctl.objects.quote import quote
from podsysctl.policy.scc import ordering
from podsysctl.policy.scc.constraint import SUBJECT_TYPE, VALIDATED, Constraint
from podsysctl.policy.scc.provider import Provider

FOR_SERVICE_ACCOUNT, FOR_USER, FOR_NOBODY = "serviceaccount", "user", "none"
IGNORED_SUBRESOURCES = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
SKIPPED_NAMESPACES = frozenset(
    {"default", "kube-system", "kube-public", "openshift-node", "openshift-infra", "openshift"}
)
RUN_LEVEL_LABEL = "openshift.io/run-level"
DISABLE_LABEL = "security.openshift.io/disable-securitycontextconstraints"
STANDARD_NAMES = (
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "hostnetwork-v2",
    "nonroot",
    "nonroot-v2",
    "privileged",
    "restricted",
    "restricted-v2",
)
"""Constraints without which nothing is admitted, since their absence means that they were not loaded yet."""
_IGNORED_ANNOTATION = "k8s.ovn.org/pod-networks"
_GARBAGE_COLLECTOR_FIELDS = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")
_CHOSEN = "securitycontextconstraints.admission.openshift.io/"

Usable = Callable[[Constraint], str]
"""Asks for whom a constraint is usable: FOR_SERVICE_ACCOUNT, FOR_USER or FOR_NOBODY."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a pod.

    `pod` is None when it is refused, else the pod with everything set, annotations included; `errors` are the reasons
    of the refusal in order; `constraint` and `subject` name what admitted it; `audit` are audit annotations.
    """

    pod: dict[str, Any] | None
    errors: tuple[FieldError, ...] = ()
    constraint: str = ""
    subject: str = ""
    audit: Mapping[str, str] = field(default_factory=dict)

    @property
    def denial(self) -> str:
        """The reason of the 403, the text after `is forbidden: `; empty when the pod is admitted."""
        if self.pod is not None:
            return ""
        return f"unable to validate against any security context constraint: {status.aggregate(self.errors)}"

    @property
    def second_denial(self) -> str:
        """The same in the validating pass, which prints the list as Go does: spaces, nothing left out."""
        listed = " ".join(str(error) for error in self.errors)
        return f"unable to validate against any security context constraint: [{listed}]"


def is_namespace_skipped(name: str, labels: Mapping[str, str]) -> bool:
    """Whether pods of a namespace are left alone: the platform's own, run levels 0 and 1, and by label."""
    return (
        name in SKIPPED_NAMESPACES or labels.get(RUN_LEVEL_LABEL) in ("0", "1") or labels.get(DISABLE_LABEL) == "true"
    )


def missing_standard(names: Sequence[str]) -> str:
    """The refusal while shipped constraints are absent; empty when all are there."""
    absent = [name for name in STANDARD_NAMES if name not in names]
    if not absent:
        return ""
    return f"securitycontextconstraints.security.openshift.io cache is missing {', '.join(absent)}"


def decide_creation(
    pod: Mapping[str, Any], providers: Sequence[Provider], usable: Usable, *, audited: bool = True
) -> Decision:
    """A new pod: the first usable constraint under which it is valid once everything is set.

    `providers` stand in order of evaluation. Without `audited` the audit annotations, which need the verdicts of
    constraints after the chosen one, are left out.
    """
    names = [s.get("name") or "" for s in ((pod.get("spec") or {}).get("securityContext") or {}).get("sysctls") or ()]
    failures: dict[str, list[FieldError]] = {}
    subjects: dict[str, str] = {}
    for index, provider in enumerate(providers):
        name = provider.constraint.name
        subjects[name] = usable(provider.constraint)
        if subjects[name] == FOR_NOBODY:
            continue
        if not audited and names and provider.refuses_sysctls(names):
            continue  # its other reasons matter only when every constraint refuses
        assigned, errors = provider.assign(pod)
        if errors:
            failures[name] = errors
            continue
        admitted = _annotated(assigned, name, subjects[name])
        audit: dict[str, str] = {}
        if audited:
            audit = _audit(subjects, failures, provider, _next_fitting(pod, providers[index + 1 :], usable))
        return Decision(admitted, constraint=name, subject=subjects[name], audit=audit)
    return _refusal(pod, providers, subjects, failures, audited=audited)


def decide_update(
    pod: Mapping[str, Any], providers: Sequence[Provider], usable: Usable, *, ephemeral_only: bool = False
) -> Decision:
    """A pod that is changed, or judged a second time: only a constraint that would set nothing admits it.

    With `ephemeral_only` (the ephemeralcontainers subresource) ephemeral containers may still be completed.
    """
    failures: dict[str, list[FieldError]] = {}
    subjects: dict[str, str] = {}
    for provider in providers:
        name = provider.constraint.name
        subjects[name] = usable(provider.constraint)
        if subjects[name] == FOR_NOBODY:
            continue
        assigned, errors = provider.assign(pod)
        if errors:
            failures[name] = errors
            continue
        compared = assigned
        if ephemeral_only:
            old_spec = pod.get("spec") or {}
            spec = {**assigned["spec"], "ephemeralContainers": old_spec.get("ephemeralContainers")}
            compared = {**assigned, "spec": spec}
        if is_same(compared, pod):
            admitted = _annotated(assigned, name, subjects[name])
            audit = {f"{_CHOSEN}chosen": name}
            return Decision(admitted, constraint=name, subject=subjects[name], audit=audit)
    return _refusal(pod, providers, subjects, failures, audited=False)


def hinted_order(providers: Sequence[Provider], hint: str) -> list[Provider]:
    """The constraint that admitted a pod before comes first when it is judged again."""
    return sorted(providers, key=lambda provider: provider.constraint.name != hint)


def _annotated(pod: dict[str, Any], name: str, subject: str) -> dict[str, Any]:
    metadata = pod["metadata"]
    annotations = {**(metadata.get("annotations") or {}), VALIDATED: name, SUBJECT_TYPE: subject}
    return {**pod, "metadata": {**metadata, "annotations": annotations}}


def _refusal(
    pod: Mapping[str, Any],
    providers: Sequence[Provider],
    subjects: Mapping[str, str],
    failures: dict[str, list[FieldError]],
    *,
    audited: bool,
) -> Decision:
    errors: list[FieldError] = []
    by_name = {provider.constraint.name: provider for provider in providers}
    for name, provider in by_name.items():
        if subjects[name] == FOR_NOBODY:
            errors.append(fielderrors.forbidden(f"provider {quote(name)}", "not usable by user or serviceaccount"))
            continue
        if name not in failures:
            failures[name] = provider.assign(pod)[1]
        errors += failures[name]
    restricted = by_name.get("restricted")
    is_out_of_reach = restricted is not None and subjects["restricted"] == FOR_NOBODY
    if "restricted-v2" in by_name and restricted is not None and is_out_of_reach and not restricted.assign(pod)[1]:
        text = (
            "the pod fails to validate against the `restricted-v2` security context constraint, but would"
            " validate successfully against the `restricted` security context constraint"
        )
        errors.append(fielderrors.forbidden("no access to scc/restricted", text))
    audit = _audit(subjects, failures, None, None) if audited else {}
    return Decision(None, tuple(errors), audit=audit)


def _next_fitting(pod: Mapping[str, Any], providers: Sequence[Provider], usable: Usable) -> Provider | None:
    """The constraint that would have been chosen next."""
    for provider in providers:
        if usable(provider.constraint) != FOR_NOBODY and not provider.assign(pod)[1]:
            return provider
    return None


def _audit(
    subjects: Mapping[str, str],
    failures: Mapping[str, list[FieldError]],
    chosen: Provider | None,
    other: Provider | None,
) -> dict[str, str]:
    """Upstream's audit annotations of a creation; the first key is spelled as upstream spells it."""
    denied = [name for name, subject in subjects.items() if subject == FOR_NOBODY]
    out = {"securityserviceconstraints.admission.openshift.io/denied": ",".join(denied)}
    for name, errors in failures.items():
        if errors:
            out[f"{_CHOSEN}too-restrictive-{name}"] = status.aggregate(errors)
    if chosen is None:
        out[f"{_CHOSEN}reason"] = "all too restrictive or denied" if failures else "all denied"
    elif other is None:
        name = quote(chosen.constraint.name)
        out[f"{_CHOSEN}reason"] = f"{name} is the only one not too restrictive and not denied"
    else:
        name, next_name = quote(chosen.constraint.name), quote(other.constraint.name)
        why = ordering.preference_reason(chosen.constraint, other.constraint)
        out[f"{_CHOSEN}reason"] = (
            f"{name} is most restrictive, not denied, and chosen over {next_name} because {name} {why}"
            if why
            else "unknown"
        )
    return out


def is_update_ignored(pod: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether an update changes nothing that constraints care about: scheduling gates, owners, one annotation."""
    spec, old_spec = dict(pod.get("spec") or {}), old.get("spec") or {}
    if "schedulingGates" in spec or "schedulingGates" in old_spec:
        spec["schedulingGates"] = old_spec.get("schedulingGates")
    if not is_same(spec, old_spec):
        return False
    metadata, old_metadata = dict(pod.get("metadata") or {}), dict(old.get("metadata") or {})
    annotations, old_annotations = metadata.pop("annotations", None) or {}, old_metadata.pop("annotations", None) or {}
    for key in {*annotations, *old_annotations} - {_IGNORED_ANNOTATION}:
        if annotations.get(key) != old_annotations.get(key):
            return False
    for name in _GARBAGE_COLLECTOR_FIELDS:
        metadata.pop(name, None)
        old_metadata.pop(name, None)
    return is_same(metadata, old_metadata) and is_same(pod.get("status"), old.get("status"))


def is_same(one: Any, other: Any) -> bool:
    """Equality of API objects: absent, null and empty lists or maps are one."""
    return bool(one == other or _pruned(one) == _pruned(other))


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item not in (None, {}, [])}
    return [_pruned(item) for item in value] if isinstance(value, (list, tuple)) else value
