"""A line of a sysctl.d file has no effect, since a later one sets the same parameter to something else.

Files are applied in the order of their names, whatever their directory; within a file the last line wins. A file of
the same name in /etc hides the one in /usr/lib.

Remove the line, or rename the file so that the right one comes last.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from podsysctl.policy import kubelet
from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.lint.knowledge import row
from podsysctl.policy.lint.setting import Setting
from podsysctl.sysctls.value import values_equal

_BELOW_ROOT = re.compile(r"((/usr)?(/local)?/(etc|run|lib))?(/sysctl\.d)?/$")


def check(context: Context) -> Iterator[Finding]:
    """Compare each line with the one that wins."""
    winners: dict[tuple[str, str], Setting] = {}
    settings = [s for s in context.settings if s.owner == "sysctl.d"]
    ordered = sorted(settings, key=lambda s: (posixpath.basename(s.file), s.file, s.position))
    for setting in ordered:
        winners[_key(setting)] = setting
    for setting in settings:
        winner = winners[_key(setting)]
        if winner is setting:
            continue
        known = row(setting.name)
        if values_equal(known.spec if known else None, winner.text, setting.text):
            continue
        where = (
            f"line {winner.position.line}" if winner.file == setting.file else f"{winner.file}:{winner.position.line}"
        )
        text = f"{setting.name} = {setting.text} has no effect, {where} sets {winner.text}"
        yield find(RULE.id, RULE.severity, setting, (), text)


def _key(setting: Setting) -> tuple[str, str]:
    """The machine and the parameter: directories of one machine are those below the same root."""
    directory = posixpath.dirname(setting.file)
    return _BELOW_ROOT.sub("", f"/{directory}/"), kubelet.normalize_name(setting.name)


RULE = Rule("PSC602", "sysctl-d-overridden", Severity.WARNING, "A later line sets another value", check)
