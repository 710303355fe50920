"""The sysctl is not on the kubelet's safe list: nodes must allow it.

A pod with it is created and scheduled, and then not started: SysctlForbidden. Pod Security's baseline level refuses
it, and on OpenShift the service account needs a constraint that allows it. What is safe depends on the version of
the cluster (`--cluster-version`) and on the kernel (`--kernel`).

Allow the exact name in a KubeletConfig of the pool the pod runs on. A KubeletConfig or KubeletConfiguration among
the files that are checked is taken into account.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.kubelet import KernelNamespace
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import is_accepted, namespace_by_rule, safe_names
from podsysctl.policy.lint.kubelet_lists import kubelet_lists
from podsysctl.policy.lint.setting import Place, Setting
from podsysctl.sysctls import safe


def check(context: Context) -> Iterator[Finding]:
    """Namespaced names that neither the safe list nor a kubelet's configuration among the files allows."""
    target = context.target
    known_safe = safe_names(target.cluster_minor, target.kernel)
    allowed = _allowed(context)
    for setting in context.settings:
        if setting.place is not Place.POD or _is_refused_earlier(setting):
            continue
        name = kubelet.normalize_name(setting.name)
        if name in known_safe or any(name == a or (a.endswith("*") and name.startswith(a[:-1])) for a in allowed):
            continue
        text = f"{setting.owner}: {name} is unsafe for Kubernetes 1.{target.cluster_minor}{_since(name, context)}"
        hint = "nodes must allow it in allowedUnsafeSysctls, else the pod ends as SysctlForbidden"
        yield find(RULE.id, RULE.severity, setting, (), text, hint=hint)


def _is_refused_earlier(setting: Setting) -> bool:
    """Whether no allowlist helps: the API server refuses the name, or the kubelet knows it for no namespace."""
    namespace = namespace_by_rule(setting.name)
    shared = {KernelNamespace.NET: setting.host_network, KernelNamespace.IPC: setting.host_ipc}
    return shared.get(namespace, True) or not is_accepted(setting.name)


def _since(name: str, context: Context) -> str:
    """When the name becomes safe, if it ever does."""
    row = safe.find(name)
    if row is None or row.kubelet is None:
        return ""
    if row.kubelet.minor > context.target.cluster_minor:
        return f", safe since {row.kubelet}"
    return f", safe since kernel {row.kernel}"


def _allowed(context: Context) -> list[str]:
    """Patterns that kubelet configurations among the files allow."""
    return [
        kubelet.normalize_name(pattern)
        for _, _, entries in kubelet_lists(context)
        for pattern in entries
        if isinstance(pattern, str)
    ]


RULE = Rule("PSC006", "unsafe-sysctl", Severity.WARNING, "The sysctl must be allowed on the nodes", check)
