"""A namespace among the files enforces a level that the pod does not reach.

The pod is refused with 403; a workload is created and its pods are refused, which shows only in its events.

Change the pod, or the namespace's level. Only namespaces that are checked together with the pod are known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.base.errors import StatusError
from podsysctl.objects import decode
from podsysctl.objects import schema as schemas
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.pod_security import UPSTREAM_DEFAULTS, Evaluator, Policy, join_details, parse_policy
from podsysctl.policy.pod_view import view_of

_POD = builtin_by_resource("", "v1", "pods")


def check(context: Context) -> Iterator[Finding]:
    """Judge each pod by the labels of its namespace, if that is there."""
    policies: dict[str, Policy] = {}
    for namespace in context.of_kind(Kind.NAMESPACE):
        labels = namespace.get("metadata", "labels")
        policy, problems = parse_policy(labels if _is_labels(labels) else {}, UPSTREAM_DEFAULTS)
        policies[namespace.name] = policy
        for problem in problems:
            text = f"{namespace.title}: {problem}"
            yield find(RULE.id, RULE.severity, namespace, ("metadata", "labels"), text, subject=problem.path)
    if not policies:
        return
    evaluator = Evaluator(context.target.cluster_minor)
    for document in context.of_kind(Kind.WORKLOAD):
        wanted = policies.get(document.namespace)
        template = document.get(*document.template_path)
        if wanted is None or document.custom_template is not None or not isinstance(template, dict):
            continue
        if not _is_readable(template):
            continue
        violations = evaluator.evaluate(wanted.enforce, view_of(template))
        if violations:
            details = join_details(violations)
            text = f'{document.title}: violates PodSecurity "{wanted.enforce}" of its namespace: {details}'
            yield find(RULE.id, RULE.severity, document, (), text, subject=document.title)


def _is_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())


def _is_readable(template: Mapping[str, Any]) -> bool:
    """Whether all fields have the types that the API server wants; without them no check can read the pod."""
    pod = {"metadata": template.get("metadata"), "spec": template.get("spec")}
    try:
        decode.decode_json(json.dumps(pod).encode(), schemas.builtin("core/v1.Pod"), _POD)
    except StatusError:
        return False
    return True


RULE = Rule("PSC016", "pod-security-refuses", Severity.ERROR, "The namespace's level refuses the pod", check)
