"""PodSecurity: refuses, warns about and audits pods, workloads and namespaces by the namespace's level.

The rules are in `policy/`; here a write becomes a question to them, and their answer a Status, Warning headers and
audit annotations. Templates of workloads are judged as SecurityContextConstraints would complete them, which is what
OpenShift does. Source: kubernetes plugin/pkg/admission/security/podsecurity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.apiserver import metrics
from podsysctl.apiserver.admission.request import CREATE, UPDATE, AdmissionRequest
from podsysctl.apiserver.admission.scc import SecurityContextConstraints
from podsysctl.objects import status
from podsysctl.objects.quote import quote
from podsysctl.policy import platform as platforms
from podsysctl.policy import pod_security_request, pod_template
from podsysctl.policy.platform import Platform
from podsysctl.policy.pod_security import LABEL_PREFIX
from podsysctl.policy.pod_security_request import Answer, PodSecurity
from podsysctl.policy.verdict import Gate


class PodSecurityAdmission:
    """Judges in the validating phase, after the object itself was found valid."""

    name = "PodSecurity"

    def __init__(self, constraints: SecurityContextConstraints) -> None:
        self._constraints = constraints
        self._rules = {platform: platforms.pod_security(platform) for platform in Platform}

    async def mutate(self, request: AdmissionRequest) -> None:
        """Nothing: Pod Security never changes an object."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse with 403 or 422, or let pass with warnings."""
        if request.operation not in (CREATE, UPDATE) or request.object is None:
            return
        key = (request.kind.group, request.kind.plural)
        rules = self._rules[request.server.config.platform]
        if key == ("", "namespaces"):
            self._answer(request, self._namespace(request, rules))
        elif key == ("", "pods"):
            self._answer(request, self._pod(request, rules))
        elif key in pod_template.TEMPLATE_PATHS and not request.subresource:
            self._answer(request, self._workload(request, rules, pod_template.TEMPLATE_PATHS[key]))

    def _namespace(self, request: AdmissionRequest, rules: PodSecurity) -> Answer:
        if request.subresource or request.object is None:
            return pod_security_request.ALLOWED
        name = request.object["metadata"]["name"]
        clock = request.server.clock
        started = clock.monotonic_s()
        return rules.evaluate_namespace(
            name,
            _labels(request.object),
            None if request.operation == CREATE else _labels(request.old_object or {}),
            lambda: request.list("", "pods", name),
            lambda: clock.monotonic_s() - started > pod_security_request.NAMESPACE_CHECK_TIMEOUT_S,
        )

    def _pod(self, request: AdmissionRequest, rules: PodSecurity) -> Answer:
        if request.subresource in pod_security_request.IGNORED_SUBRESOURCES or request.object is None:
            return pod_security_request.ALLOWED
        is_update = request.operation == UPDATE and request.old_object is not None
        if is_update and not pod_security_request.is_significant_update(request.object, request.old_object or {}):
            return pod_security_request.ALLOWED
        namespace = request.find("", "namespaces", "", request.namespace)
        if namespace is None:
            text = f"failed to lookup namespace {quote(request.namespace)}"
            request.audit(f"{LABEL_PREFIX}error", f"Internal error occurred: {text}")
            raise status.internal(text)
        return rules.evaluate_pod(
            request.object,
            namespace=request.namespace,
            username=request.user.name,
            labels=_labels(namespace),
        )

    def _workload(self, request: AdmissionRequest, rules: PodSecurity, path: tuple[str, ...]) -> Answer:
        namespace = request.find("", "namespaces", "", request.namespace)
        if namespace is None or request.object is None:
            return Answer(audit={"error": f"failed to lookup namespace {quote(request.namespace)}: not found"})
        template = pod_template.template_at(request.object, path)
        if template is not None:
            template = self._constraints.complete_template(request, namespace, template)
        return rules.evaluate_template(
            template, namespace=request.namespace, username=request.user.name, labels=_labels(namespace)
        )

    def _answer(self, request: AdmissionRequest, answer: Answer) -> None:
        for key, value in answer.audit.items():
            request.audit(LABEL_PREFIX + key, value)
        for warning in answer.warnings:
            request.warn(warning)
        if answer.invalid:
            raise status.invalid(request.kind, request.name, answer.invalid)
        if answer.denial:
            level = answer.audit.get("enforce-policy", "").partition(":")[0]
            metrics.refused(request, Gate.POD_SECURITY, level or "Forbidden")
            raise request.forbidden(answer.denial)


def _labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    labels: Mapping[str, str] = (obj.get("metadata") or {}).get("labels") or {}
    return labels
