"""The configuration of a NetworkAttachmentDefinition cannot be used.

`spec.config` is a string that nothing checks when it is stored. Broken JSON, a number where the tuning plugin wants
a string, or tuning as the first plugin (it needs the result of one before it) fail every sandbox of every pod that
asks for the network.

Correct the JSON; write sysctl values in quotes; put bridge, macvlan or another main plugin first.
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
