"""YAML nested without end: refused at the bound, and never deep enough to run the C parser out of stack."""

from __future__ import annotations

import pytest

from podsysctl.base.limits import OBJECT_DEPTH
from podsysctl.objects import yamltext


@pytest.mark.parametrize(
    "text", ["[" * 1_000_000, "{a: " * 200_000, "- " * 500_000, "? " * 500_000, "[" * 500_000 + "]" * 500_000]
)
def test_endless_nesting_is_refused(text: str) -> None:
    """An error, not a crash of the process."""
    for read in (yamltext.load_documents, yamltext.load_nodes, yamltext.load_document):
        with pytest.raises(yamltext.YAMLSyntaxError, match=f"exceeded max depth of {OBJECT_DEPTH}"):
            read(text)


def test_nesting_up_to_the_bound_is_read() -> None:
    """The bound itself is still allowed."""
    depth = OBJECT_DEPTH + 1  # the innermost list is a leaf
    assert yamltext.load_document("[" * depth + "]" * depth)
    with pytest.raises(yamltext.YAMLSyntaxError):
        yamltext.load_document("[" * (depth + 1) + "]" * (depth + 1))
