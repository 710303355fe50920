"""The configuration of a NetworkAttachmentDefinition, or a pod's annotation of networks, cannot be used.

`spec.config` is a string that nothing checks when it is stored, and so are the annotations
`k8s.v1.cni.cncf.io/networks` and `podsysctl.dev/interface-sysctls`. Broken JSON, a number where the tuning plugin wants
a string, tuning as the first plugin (it needs the result of one before it) or run by another one, a member spelled in
other letters than its plugin documents, and names that no interface can have fail every sandbox of every pod that asks
for the network.

Correct the JSON; write sysctl values in quotes; put bridge, macvlan or another main plugin first; name one interface.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.base.errors import UsageError
from podsysctl.policy import interface
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind
from podsysctl.policy.lint.extraction import plugins
from podsysctl.policy.lint.finding import Finding, Rule, Severity


def check(context: Context) -> Iterator[Finding]:
    """Read it as the runtime would."""
    yield from _definitions(context)
    for document in context.of_kind(Kind.WORKLOAD):
        for name, read in ((interface.NETWORKS, _read_networks), (interface.INTERFACE_SYSCTLS, _read_sysctls)):
            path = (*document.template_path, "metadata", "annotations", name)
            text = document.get(*path)
            if not isinstance(text, str):
                continue
            try:
                read(text)
            except UsageError as error:
                yield find(RULE.id, RULE.severity, document, path, f"{document.title}: {error}", subject=name)


def _read_networks(text: str) -> None:
    """Raise UsageError as a node would."""
    for wanted in interface.parse_networks(text, "default"):
        problem = interface.problem_of_interface(wanted.interface)
        if problem:
            raise UsageError(f"annotation {interface.NETWORKS}: {problem}")


def _read_sysctls(text: str) -> None:
    """Raise UsageError as a node would; an empty annotation asks for nothing."""
    if text:
        interface.parse_interface_sysctls(text)


def _definitions(context: Context) -> Iterator[Finding]:
    path = ("spec", "config")
    for document in context.of_kind(Kind.ATTACHMENT):
        config = document.get(*path)
        if config is None:
            continue
        if not isinstance(config, str):
            text = f"{document.title}: spec.config must be a string that holds JSON"
            yield find(RULE.id, RULE.severity, document, path, text, subject="config")
            continue
        try:
            interface.tuning_sysctls(document.value)
        except (UsageError, AttributeError) as error:
            text = f"{document.title}: {error}"
            yield find(RULE.id, RULE.severity, document, path, text, subject="config")
            continue
        listed = plugins(document)
        if listed and listed[0].get("type") == "tuning":
            text = f"{document.title}: tuning stands first and has no interface to tune (Required prevResult missing)"
            yield find(RULE.id, RULE.severity, document, path, text, subject="tuning")


RULE = Rule("PSC401", "attachment-unreadable", Severity.ERROR, "The network's configuration cannot be used", check)
