"""A sysctl's name is not one that the API server accepts.

Names of a pod's sysctls are lower-case segments joined by dots or slashes, at most 253 bytes long. Capital letters,
empty segments, wildcards and blanks are refused with 422, for pods and for every workload's template.

Write the name as the kernel shows it below /proc/sys, with dots for slashes.
"""

from __future__ import annotations

from collections.abc import Iterator

from podsysctl.base import limits
from podsysctl.policy.lint import edits
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Edit, Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import NAME_FORMAT, is_accepted, parse, row
from podsysctl.policy.lint.setting import Place, Setting


def check(context: Context) -> Iterator[Finding]:
    """Names in pods by the API server's rule, elsewhere by the kernel's."""
    for setting in context.settings:
        if setting.place is Place.POD:
            bad = not is_accepted(setting.name)
            rule = f"must have at most {limits.SYSCTL_NAME_BYTES} characters and match regex ^{NAME_FORMAT}$"
        else:
            bad, rule = parse(setting.name) is None, "is no path below /proc/sys"
        if bad:
            text = f"{setting.owner}: sysctl name {setting.name!r} {rule}"
            yield find(RULE.id, RULE.severity, setting, (), text, edits=_lower(setting))


def _lower(setting: Setting) -> tuple[Edit, ...]:
    """The same name in lower case, when the catalogue knows that one."""
    lower = setting.name.strip().lower()
    if setting.document is None or setting.place is not Place.POD or lower == setting.name or row(lower) is None:
        return ()
    return edits.replace_scalar(setting.document, (*setting.path, "name"), lower)


RULE = Rule("PSC001", "sysctl-name-invalid", Severity.ERROR, "The name of a sysctl is malformed", check)
