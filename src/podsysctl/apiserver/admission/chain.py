"""The admission plugins, in their order: all mutate, then validation of the object, then all validate."""

from __future__ import annotations

from podsysctl.apiserver.admission.escalation import RbacEscalation
from podsysctl.apiserver.admission.kubelet_config import KubeletConfigObjects
from podsysctl.apiserver.admission.lifecycle import NamespaceLifecycle
from podsysctl.apiserver.admission.node_profile import NodeProfiles
from podsysctl.apiserver.admission.pod_security import PodSecurityAdmission
from podsysctl.apiserver.admission.priority import Priority
from podsysctl.apiserver.admission.request import AdmissionRequest, Plugin
from podsysctl.apiserver.admission.runtime_class import RuntimeClass
from podsysctl.apiserver.admission.scc import SecurityContextConstraints
from podsysctl.apiserver.admission.scc_namespace import NamespaceRanges
from podsysctl.apiserver.admission.scc_object import ConstraintObjects
from podsysctl.apiserver.admission.serviceaccount import ServiceAccount
from podsysctl.apiserver.admission.tolerations import DefaultTolerationSeconds

_CONSTRAINTS = SecurityContextConstraints()
PLUGINS: tuple[Plugin, ...] = (
    NamespaceLifecycle(),
    ServiceAccount(),
    PodSecurityAdmission(_CONSTRAINTS),
    DefaultTolerationSeconds(),
    Priority(),
    RuntimeClass(),
    RbacEscalation(),
    _CONSTRAINTS,
    ConstraintObjects(),
    NamespaceRanges(),
    KubeletConfigObjects(),
    NodeProfiles(),
)


class Chain:
    """Runs a tuple of plugins over one write."""

    def __init__(self, plugins: tuple[Plugin, ...] = PLUGINS) -> None:
        self._plugins = plugins

    async def mutate(self, request: AdmissionRequest) -> None:
        """Let every plugin change the object. Raises StatusError."""
        for plugin in self._plugins:
            await plugin.mutate(request)

    async def validate(self, request: AdmissionRequest) -> None:
        """Let every plugin judge the object. Raises StatusError."""
        for plugin in self._plugins:
            await plugin.validate(request)
