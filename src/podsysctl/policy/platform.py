"""Which platform's rules an API server shows: OpenShift's, or those of Kubernetes alone.

OpenShift has SecurityContextConstraints, warns and audits at the restricted level, and enforces nothing. Kubernetes has
no constraints and demands nothing unless a namespace's labels say so.
"""

from __future__ import annotations

from enum import StrEnum

from podsysctl.base.versions import KUBERNETES_MINOR
from podsysctl.policy import pod_security_request
from podsysctl.policy.pod_security import OPENSHIFT_DEFAULTS, UPSTREAM_DEFAULTS, Evaluator
from podsysctl.policy.pod_security_request import Exemptions, PodSecurity


class Platform(StrEnum):
    """The two platforms; the texts are what a command line takes."""

    OPENSHIFT = "openshift"
    KUBERNETES = "kubernetes"

    @property
    def has_constraints(self) -> bool:
        """Whether pods are judged by SecurityContextConstraints."""
        return self is Platform.OPENSHIFT


def pod_security(platform: Platform, server_minor: int = KUBERNETES_MINOR) -> PodSecurity:
    """Pod Security with the platform's defaults, as a server of a minor version knows it."""
    evaluator = Evaluator(server_minor)
    if platform is Platform.OPENSHIFT:
        return PodSecurity(evaluator, OPENSHIFT_DEFAULTS, pod_security_request.OPENSHIFT_EXEMPTIONS)
    return PodSecurity(evaluator, UPSTREAM_DEFAULTS, Exemptions())
