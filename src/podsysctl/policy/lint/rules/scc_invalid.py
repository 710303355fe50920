"""A SecurityContextConstraints object is refused when it is written.

The API server answers 422: sysctl patterns with slashes, a star beside other entries, lists that overlap,
capabilities that are allowed and dropped, strategies that do not exist.

Correct the field that the message names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from podsysctl.policy.lint.context import Context, find
from podsysctl.policy.lint.document import Kind, Path
from podsysctl.policy.lint.finding import Finding, Rule, Severity
from podsysctl.policy.scc import defaulting, validation
from podsysctl.policy.scc.shape import type_problem

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

def check(context: Context) -> Iterator[Finding]:
    """Ask the server's own validation."""
    for document in context.of_kind(Kind.CONSTRAINT):
        problem = type_problem(document.value)
        if problem:
            text = f"{document.title}: {problem} has the wrong type"
            yield find(RULE.id, RULE.severity, document, (problem,), text, subject=problem)
            continue
        for error in validation.validate(defaulting.apply_defaults(document.value)):
            text = f"{document.title}: {error}"
            yield find(RULE.id, RULE.severity, document, _path(error.path), text, subject=error.path)


def _path(text: str) -> Path:
    """`allowedUnsafeSysctls[0]` as the steps to it."""
    return tuple(int(index) if index else name for name, index in _STEP.findall(text))


RULE = Rule("PSC201", "scc-invalid", Severity.ERROR, "The API server refuses the constraint", check)
