"""The whole verdict: every gate over one pod, in the order in which the pod meets them.

The first gates judge the pod as a whole, the later ones sysctl by sysctl on each node. Constraints may complete the pod
on the way, and Pod Security then sees the completed one, as in the API server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.objects.defaults.pods import default_pod
from podsysctl.objects.strategy.pods import merge_label_keys
from podsysctl.policy import node_gates, pod_gates
from podsysctl.policy.node_gates import SysctlReport
from podsysctl.policy.scc import admit, ordering
from podsysctl.policy.scc.provider import Provider
from podsysctl.policy.scheduling import gate as scheduling
from podsysctl.policy.scheduling.nodeinfo import Cluster, NodeInfo
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.policy.situation import Node, Situation
from podsysctl.policy.verdict import Gate, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node: whether it may be chosen, and what its gates say; `kubelet` of the pod as a whole."""

    node: Node
    scheduling: Verdict
    sysctls: tuple[SysctlReport, ...]
    interfaces: tuple[Verdict, ...] = ()
    kubelet: tuple[Verdict, ...] = ()

    @property
    def eligible(self) -> bool:
        """Whether the scheduler may choose it."""
        return not self.scheduling.stops

    @property
    def first_refusal(self) -> Verdict | None:
        """What stops the pod there: the kubelet looks at all sysctls, and at the pod, before the runtime sees one."""
        verdicts = [verdict for report in self.sysctls for verdict in report.verdicts]
        verdicts += self.kubelet
        for gate in (Gate.KUBELET, Gate.RUNTIME, Gate.KERNEL):
            for verdict in verdicts:
                if verdict.gate is gate and verdict.stops:
                    return verdict
        return next((verdict for verdict in self.interfaces if verdict.stops), None)

    @property
    def accepts(self) -> bool:
        """Whether nothing stops the pod there, and every sysctl it declares is really set."""
        ignored = any(v.outcome is Outcome.IGNORED for report in self.sysctls for v in report.verdicts)
        return self.first_refusal is None and not ignored

    @property
    def unjudged(self) -> tuple[str, ...]:
        """What of the pod as a whole is not known."""
        whole = (self.scheduling, *self.kubelet)
        return tuple(verdict.reason for verdict in whole if verdict.outcome is Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Report:
    """What becomes of the pod. `admitted` is the pod as it would be stored."""

    admission: tuple[Verdict, ...]
    nodes: tuple[NodeReport, ...]
    admitted: Mapping[str, Any]

    @property
    def first_refusal(self) -> Verdict | None:
        """The first thing that stops the pod on its way; None when it would run somewhere."""
        for verdict in self.admission:
            if verdict.stops:
                return verdict
        eligible = [report for report in self.nodes if report.eligible]
        if any(report.accepts for report in eligible):
            return None
        for report in eligible:
            if report.first_refusal is not None:
                return report.first_refusal
        refused = [report.scheduling for report in self.nodes if not report.eligible]
        return refused[0] if refused and not eligible else None

    @property
    def runs(self) -> bool:
        """Whether the pod would run with all its values, on at least one node that may be chosen."""
        if any(verdict.stops for verdict in self.admission):
            return False
        return any(report.accepts for report in self.nodes if report.eligible)


def evaluate(situation: Situation) -> Report:
    """Judge the pod. All gates are asked, also those behind a refusal: a fix of one should know the next."""
    admission = [_validation(situation)]
    admitted: Mapping[str, Any] = situation.pod
    if situation.platform.has_constraints:
        verdict, admitted = _constraints(situation)
        admission.append(verdict)
    admission += _pod_security(situation, admitted)
    return Report(tuple(admission), tuple(_nodes(situation, admitted)), admitted)


def _validation(situation: Situation) -> Verdict:
    errors = situation.validate(situation.pod)
    if not errors:
        return Verdict(Gate.VALIDATION, Outcome.ALLOWED)
    return Verdict(Gate.VALIDATION, Outcome.REFUSED, "", "; ".join(errors), "fields of the pod")


def providers(situation: Situation) -> list[Provider]:
    """The constraints made ready for the namespace, in order. Raises UsageError when its annotations do not fit."""
    ordered = ordering.sort_constraints(situation.constraints)
    return [Provider(c, situation.namespace.ranges, situation.safe) for c in ordered]


def _constraints(situation: Situation) -> tuple[Verdict, Mapping[str, Any]]:
    namespace = situation.namespace
    if admit.is_namespace_skipped(namespace.name, namespace.labels):
        rule = f"namespace {namespace.name} is left alone by constraints"
        return Verdict(Gate.CONSTRAINTS, Outcome.ALLOWED, rule=rule), situation.pod
    try:
        ready = providers(situation)
    except UsageError as error:
        return Verdict(Gate.CONSTRAINTS, Outcome.REFUSED, "", error.message, "namespace annotations"), situation.pod
    decision = admit.decide_creation(situation.pod, ready, situation.usable, audited=False)
    if decision.pod is None:
        return Verdict(Gate.CONSTRAINTS, Outcome.REFUSED, "", decision.denial, "no usable constraint"), situation.pod
    rule = f"scc/{decision.constraint}, usable by the {decision.subject}"
    return Verdict(Gate.CONSTRAINTS, Outcome.ALLOWED, rule=rule), decision.pod


def _pod_security(situation: Situation, admitted: Mapping[str, Any]) -> list[Verdict]:
    answer = situation.security.evaluate_pod(
        admitted,
        namespace=situation.namespace.name,
        username=situation.subject,
        labels=situation.namespace.labels,
    )
    level = answer.audit.get("enforce-policy") or f"exempt by {answer.audit.get('exempt', 'configuration')}"
    if answer.denial:
        return [Verdict(Gate.POD_SECURITY, Outcome.REFUSED, "", answer.denial, f"enforce {level}")]
    warned = [Verdict(Gate.POD_SECURITY, Outcome.WARNED, "", text, "warn") for text in answer.warnings]
    return warned or [Verdict(Gate.POD_SECURITY, Outcome.ALLOWED, rule=f"enforce {level}")]


def _nodes(situation: Situation, admitted: Mapping[str, Any]) -> Iterator[NodeReport]:
    pod = PodInfo(_stored(admitted))
    cluster = situation.cluster or _described(situation.nodes)
    judge = scheduling.judge(pod, cluster, knows_pods=situation.cluster is not None)
    for node in situation.nodes:
        info = cluster.get(node.name) or NodeInfo(node.name)
        verdict = judge(info)
        yield NodeReport(
            node,
            verdict,
            tuple(node_gates.evaluate(admitted, node.facts)),
            tuple(node_gates.evaluate_interfaces(admitted, node.facts, situation.definitions)),
            tuple(pod_gates.evaluate(pod, node.facts, info, is_chosen=not verdict.stops)),
        )


def _stored(pod: Mapping[str, Any]) -> dict[str, Any]:
    """The pod as the server would keep it: limits are requests as well, and label keys part of selectors."""
    out: dict[str, Any] = _without_nulls(pod)
    out["metadata"], out["spec"] = out.get("metadata") or {}, out.get("spec") or {}
    default_pod(out)
    merge_label_keys(out)
    return out


def _without_nulls(value: Any) -> Any:
    """A copy in which a field that is null is not there, as the server reads it."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list | tuple) else value


def _described(nodes: Iterable[Node]) -> Cluster:
    """Nodes of which no more is known than what decides about them alone."""
    out = Cluster()
    for node in nodes:
        spec = {"taints": node.facts.taints, "unschedulable": node.unschedulable}
        out.set_node({"metadata": {"name": node.name, "labels": node.facts.labels}, "spec": spec})
    return out
