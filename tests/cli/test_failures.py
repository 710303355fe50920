"""How errors look."""

from __future__ import annotations

import pytest

from podsysctl.base.errors import Cause, PodsysctlError, RefusedError, StatusDetails, StatusError, UsageError
from podsysctl.cli import failures

INVALID = StatusError(
    422,
    "Invalid",
    'Pod "p" is invalid: [...]',
    StatusDetails(name="p", kind="Pod", causes=(Cause("X", "Required value", "a.b"), Cause("X", "too long", "c"))),
)


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (PodsysctlError("it broke", hint="mend it"), "error: it broke\n\nhint: mend it\n", 1),
        (UsageError("what?"), "error: what?\n", 2),
        (RefusedError("no"), "error: no\n", 3),
        (StatusError(404, "NotFound", 'pods "p" not found'), 'Error from server (NotFound): pods "p" not found\n', 1),
        (StatusError(500, "", "x: field not declared"), "Error from server: x: field not declared\n", 1),
        (StatusError(403, "Forbidden", "no"), "Error from server (Forbidden): no\n", 3),
        (
            StatusError(401, "Unauthorized", "Unauthorized"),
            "error: You must be logged in to the server (Unauthorized)\n",
            1,
        ),
        (INVALID, 'The Pod "p" is invalid: \n* a.b: Required value\n* c: too long\n', 1),
        (failures.SeveralError([UsageError("a"), UsageError("b")]), "error: a\nerror: b\n", 2),
        (failures.SeveralError([UsageError("a"), PodsysctlError("b")]), "error: a\nerror: b\n", 1),
        (failures.ShownError(7), "", 7),
    ],
)
def test_render_error_has_its_form_and_exit_code(error: PodsysctlError, text: str, code: int) -> None:
    """Answers of the server look as in kubectl, others as STYLE wants them."""
    assert failures.render(error) == text
    assert failures.exit_code(error) == code


def test_render_one_cause_stands_on_one_line() -> None:
    """A single cause needs no list."""
    one = StatusError(422, "Invalid", "", StatusDetails("p", kind="Pod", causes=(Cause("X", "Forbidden: x", "spec"),)))
    assert failures.render(one) == 'The Pod "p" is invalid: spec: Forbidden: x\n'
