"""Docker or Podman refuses the sysctl of a container.

Both take System V IPC names, `fs.mqueue.*` and `net.*` only: anything else belongs to the host, and the container is
not started.

Set it on the host (sysctl.d).
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import parse
from podsysctl.policy.lint.setting import Place
from podsysctl.policy.runtime import Runtime, SandboxNamespaces, evaluate
from podsysctl.policy.verdict import Outcome


def check(context: Context) -> Iterator[Finding]:
    """Ask the runtime's gate."""
    own = SandboxNamespaces()
    for setting in context.settings:
        parsed = parse(setting.name)
        if setting.place is not Place.CONTAINER or parsed is None or any("." in s for s in parsed.segments):
            continue
        verdict = evaluate(parsed.dotted, own, Runtime.RUNC)
        if verdict.outcome is not Outcome.ALLOWED or parsed.dotted == "kernel.domainname":
            text = f"{setting.owner}: {setting.name} is not in a separate kernel namespace"
            yield find(RULE.id, RULE.severity, setting, (), text, hint="set it on the host (sysctl.d)")


RULE = Rule("PSC501", "container-sysctl-refused", Severity.ERROR, "The container's runtime refuses the sysctl", check)
