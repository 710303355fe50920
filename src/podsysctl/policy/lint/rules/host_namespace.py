"""A pod or container shares the host's namespace that the sysctl belongs to.

With `hostNetwork: true` a `net.*` value would be the host's own, with `hostIPC: true` the same holds for System V
IPC and message queues. The API server refuses such a pod with 422; Docker and Podman refuse the container.

Leave the value out, and set it on the node if the node should have it (Tuned, sysctl.d).
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.kubelet import KernelNamespace
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Edit, Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import namespace_by_rule
from podsysctl.policy.lint.setting import Place


def check(context: Context) -> Iterator[Finding]:
    """Compare each name's namespace with what is shared."""
    for setting in context.settings:
        namespace = namespace_by_rule(setting.name)
        if namespace is KernelNamespace.NET and setting.host_network:
            field = "hostNetwork" if setting.place is Place.POD else "the host's network"
        elif namespace is KernelNamespace.IPC and setting.host_ipc:
            field = "hostIPC" if setting.place is Place.POD else "the host's IPC namespace"
        else:
            continue
        text = f"{setting.owner}: {setting.name} may not be specified when '{field}' is true"
        fix: tuple[Edit, ...] = ()
        if setting.place is Place.POD and setting.document is not None:
            fix = edits.remove_item(setting.document, setting.path)
        elif setting.place is Place.CONTAINER:
            text = f"{setting.owner}: {setting.name} cannot be set with {field}"
        yield find(RULE.id, RULE.severity, setting, (), text, hint="set it on the node instead", edits=fix)


RULE = Rule("PSC004", "host-namespace-shared", Severity.ERROR, "The sysctl would be the host's own", check)
