"""A KubeletConfig selects no pool, so nothing happens.

`machineConfigPoolSelector` is compared with the labels of MachineConfigPools, not of nodes. Without it, or when it
is empty, no pool is selected; a label that no pool among the files has is suspicious.

Name a label of the pool, such as `pools.operator.machineconfiguration.openshift.io/worker: ""`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.finding import Finding, Rule, Severity


def check(context: Context) -> Iterator[Finding]:
    """Selectors that are missing, or that miss every pool that is known."""
    pools = [pool.get("metadata", "labels") or {} for pool in context.of_kind(Kind.POOL)]
    for document in context.of_kind(Kind.KUBELET_CONFIG):
        selector = document.get("spec", "machineConfigPoolSelector")
        labels = document.get("spec", "machineConfigPoolSelector", "matchLabels")
        if not selector:
            text = f"{document.title}: without machineConfigPoolSelector no pool is selected"
            yield find(RULE.id, RULE.severity, document, ("spec",), text, subject=document.name)
        elif pools and isinstance(labels, dict) and "matchExpressions" not in selector:
            known = [p for p in pools if isinstance(p, dict)]
            if not any(all(p.get(key) == value for key, value in labels.items()) for p in known):
                text = f"{document.title}: no MachineConfigPool among the files has the selector's labels"
                path = ("spec", "machineConfigPoolSelector")
                yield find(RULE.id, Severity.WARNING, document, path, text, subject=document.name)


RULE = Rule("PSC106", "kubelet-selects-nothing", Severity.ERROR, "A KubeletConfig selects no pool", check)
