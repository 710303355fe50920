"""What Pod Security answers to a request: denial, warnings, audit annotations, exemptions.

Step in the path: validating admission. Pure: the caller hands in the namespace's labels and the existing pods, and
turns the answer into an HTTP status; that is `apiserver/admission/pod_security.py`.
Source: pod-security-admission admission/admission.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects import status
from podsysctl.objects.quote import quote
from podsysctl.policy.check import Violation
from podsysctl.policy.pod_security import (
    AUDIT,
    ENFORCE,
    LABEL_PREFIX,
    OPENSHIFT_DEFAULTS,
    PRIVILEGED,
    WARN,
    Evaluator,
    LevelVersion,
    Policy,
    join_details,
    join_reasons,
    parse_policy,
    strictness,
)
from podsysctl.policy.pod_view import PodView, view_of

IGNORED_SUBRESOURCES = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
NAMESPACE_PODS_CHECKED = 3000
"""Most existing pods that a change of a namespace's labels looks at; upstream's bound."""
NAMESPACE_CHECK_TIMEOUT_S = 1.0
"""Longest time it spends on them; upstream's bound."""


@dataclass(frozen=True, slots=True)
class Exemptions:
    """Requests that Pod Security leaves alone; names are compared exactly."""

    usernames: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    runtime_classes: tuple[str, ...] = ()


OPENSHIFT_EXEMPTIONS = Exemptions(usernames=("system:serviceaccount:openshift-infra:build-controller",))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets.

    `denial` is the reason of a 403 (the text after `is forbidden: `), `invalid` the causes of a 422, `warnings` the
    texts of Warning headers, `audit` annotations without their prefix.
    """

    denial: str = ""
    invalid: tuple[FieldError, ...] = ()
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)


ALLOWED = Answer()


@dataclass(frozen=True, slots=True)
class PodSecurity:
    """Pod Security of one cluster: its defaults, its exemptions and the checks its version knows."""

    evaluator: Evaluator
    defaults: Policy = OPENSHIFT_DEFAULTS
    exemptions: Exemptions = OPENSHIFT_EXEMPTIONS

    def exemption(self, namespace: str, username: str) -> str:
        """Why a request is exempt before its object is looked at: `namespace`, `user` or empty."""
        if namespace and namespace in self.exemptions.namespaces:
            return "namespace"
        return "user" if username and username in self.exemptions.usernames else ""

    def evaluate_pod(
        self, pod: Mapping[str, Any], *, namespace: str, username: str, labels: Mapping[str, str]
    ) -> Answer:
        """A pod that is created, or changed in a way that matters; `labels` are the namespace's."""
        exempt = self.exemption(namespace, username)
        if exempt:
            return Answer(audit={"exempt": exempt})
        policy, errors = parse_policy(labels, self.defaults)
        if not errors and policy.is_privileged:
            return Answer(audit={"enforce-policy": str(LevelVersion(PRIVILEGED))})
        return self._evaluate(policy, errors, view_of(pod), enforce=True)

    def evaluate_template(
        self, template: Mapping[str, Any] | None, *, namespace: str, username: str, labels: Mapping[str, str]
    ) -> Answer:
        """A workload that will create pods: never denied, warned about and audited.

        `template` is the pod template, after SCC defaulting where the cluster has SCCs; None when the workload
        has none.
        """
        exempt = self.exemption(namespace, username)
        if exempt:
            return Answer(audit={"exempt": exempt})
        policy, errors = parse_policy(labels, self.defaults)
        if not errors and policy.warn.level == policy.audit.level == PRIVILEGED:
            return ALLOWED
        if template is None:
            return ALLOWED
        return self._evaluate(policy, errors, view_of(template), enforce=False)

    def _evaluate(self, policy: Policy, errors: list[FieldError], pod: PodView, *, enforce: bool) -> Answer:
        if pod.spec.get("runtimeClassName") and pod.spec["runtimeClassName"] in self.exemptions.runtime_classes:
            return Answer(audit={"exempt": "runtimeClass"})
        audit: dict[str, str] = {}
        if errors:
            audit["error"] = f"Failed to parse policy: {status.aggregate(errors)}"
        denial = ""
        if enforce:
            audit["enforce-policy"] = str(policy.enforce)
            violated = self.evaluator.evaluate(policy.enforce, pod)
            if violated:
                denial = f"violates PodSecurity {quote(str(policy.enforce))}: {join_details(violated)}"
        audited = self._would_violate(policy.audit, pod)
        if audited:
            audit["audit-violations"] = audited
        warned = ""
        if not denial:
            warned = audited if policy.warn == policy.audit else self._would_violate(policy.warn, pod)
        warnings = (warned,) if warned else ()
        return Answer(denial=denial, warnings=warnings, audit=audit)

    def _would_violate(self, wanted: LevelVersion, pod: PodView) -> str:
        """The warning for one level, empty when the pod keeps to it."""
        violated = self.evaluator.evaluate(wanted, pod)
        return would_violate(wanted, violated) if violated else ""

    def evaluate_namespace(
        self,
        name: str,
        labels: Mapping[str, str],
        old_labels: Mapping[str, str] | None,
        list_pods: Callable[[], Iterable[Mapping[str, Any]]],
        is_late: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """A namespace that is created (`old_labels` None) or updated.

        `list_pods` is called only when a stricter enforce policy makes existing pods worth a look, and `is_late`
        after each of them.
        """
        policy, errors = parse_policy(labels, self.defaults)
        exempt = name in self.exemptions.namespaces
        if old_labels is None:
            if errors:
                return Answer(invalid=tuple(errors))
            return self._exempt_namespace(name, policy, labels) if exempt else ALLOWED
        old_policy, old_errors = parse_policy(old_labels, self.defaults)
        if errors and errors != old_errors:
            return Answer(invalid=tuple(errors))
        new, old = policy.enforce, old_policy.enforce
        if new == old or new.level == PRIVILEGED:
            return ALLOWED
        if new.minor == old.minor and strictness(new.level) <= strictness(old.level):
            return ALLOWED
        if exempt:
            return self._exempt_namespace(name, policy, labels)
        return Answer(warnings=tuple(self._existing_pods(name, new, list(list_pods()), is_late)))

    def _exempt_namespace(self, name: str, policy: Policy, labels: Mapping[str, str]) -> Answer:
        if policy.is_privileged or policy.is_equivalent(self.defaults):
            return ALLOWED
        shown = [
            f"{mode}={wanted}"
            for mode, wanted in ((ENFORCE, policy.enforce), (AUDIT, policy.audit), (WARN, policy.warn))
            if wanted.level != PRIVILEGED
            and (LABEL_PREFIX + mode in labels or f"{LABEL_PREFIX}{mode}-version" in labels)
        ]
        text = f"namespace {quote(name)} is exempt from Pod Security, and the policy ({', '.join(shown)})"
        return Answer(warnings=(f"{text} will be ignored",))

    def _existing_pods(
        self, namespace: str, enforce: LevelVersion, pods: list[Mapping[str, Any]], is_late: Callable[[], bool]
    ) -> list[str]:
        """Warnings about pods that a new enforce policy would refuse, worst reasons grouped."""
        ordered = self._prioritize(pods)
        by_reason: dict[str, list[str]] = {}
        checked = min(len(ordered), NAMESPACE_PODS_CHECKED)
        for index, pod in enumerate(ordered[:checked]):
            found = self.evaluator.evaluate(enforce, view_of(pod))
            if found:
                by_reason.setdefault(join_reasons(found), []).append((pod.get("metadata") or {}).get("name", ""))
            if is_late():
                checked = index + 1
                break
        warnings = []
        if checked < len(ordered):
            warnings.append(
                "new PodSecurity enforce level only checked against the first"
                f" {checked} of {len(ordered)} existing pods"
            )
        if by_reason:
            warnings.append(
                f"existing pods in namespace {quote(namespace)} violate the new PodSecurity enforce level"
                f" {quote(str(enforce))}"
            )
        return warnings + sorted(f"{_pod_group(names)}: {reason}" for reason, names in by_reason.items())

    def _prioritize(self, pods: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Pods without a controller and the first of each controller, then the other replicas."""
        first: list[Mapping[str, Any]] = []
        replicas: list[Mapping[str, Any]] = []
        seen: set[str] = set()
        for pod in pods:
            runtime_class = (pod.get("spec") or {}).get("runtimeClassName")
            if runtime_class and runtime_class in self.exemptions.runtime_classes:
                continue
            owners = (pod.get("metadata") or {}).get("ownerReferences") or ()
            controller = next((o.get("uid", "") for o in owners if o.get("controller")), None)
            if controller is not None and controller in seen:
                replicas.append(pod)
                continue
            if controller is not None:
                seen.add(controller)
            first.append(pod)
        return first + replicas


def would_violate(wanted: LevelVersion, violations: Sequence[Violation]) -> str:
    """The warning: `would violate PodSecurity "restricted:latest": …`."""
    return f"would violate PodSecurity {quote(str(wanted))}: {join_details(violations)}"


def is_significant_update(pod: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether an update of a pod is evaluated again: containers added or removed, an image changed."""
    spec, old_spec = pod.get("spec") or {}, old.get("spec") or {}
    for kind in ("containers", "initContainers"):
        new_list, old_list = spec.get(kind) or (), old_spec.get(kind) or ()
        if [c.get("image") or "" for c in new_list] != [c.get("image") or "" for c in old_list]:
            return True
    images: dict[str, str] = {}
    for container in old_spec.get("ephemeralContainers") or ():
        images.setdefault(container.get("name") or "", container.get("image") or "")
    return any(images.get(c.get("name") or "") != (c.get("image") or "") for c in spec.get("ephemeralContainers") or ())


def _pod_group(names: Sequence[str]) -> str:
    others = len(names) - 1
    if others == 0:
        return min(names)
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"
