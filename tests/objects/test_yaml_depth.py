"""YAML nested without end: refused at the bound, and never deep enough to run the C parser out of stack."""

from __future__ import annotations

import pytest

from podsysctl.base.limits import OBJECT_DEPTH, YAML_NODES
from podsysctl.objects import yamltext


@pytest.mark.parametrize(
    "text", ["[" * 1_000_000, "{a: " * 200_000, "- " * 500_000, "? " * 500_000, "[" * 500_000 + "]" * 500_000]
)
def test_endless_nesting_is_refused(text: str) -> None:
    """An error, not a crash of the process."""
    for read in (yamltext.load_documents, yamltext.load_nodes, yamltext.load_document):
        with pytest.raises(yamltext.YAMLSyntaxError, match=f"exceeded max depth of {OBJECT_DEPTH}"):
            read(text)


def test_document_of_too_many_nodes_is_refused_before_they_are_made() -> None:
    """Each takes half a kilobyte: a request of three megabytes made 400 MB of them, and kept the server busy."""
    for read in (yamltext.load_documents, yamltext.load_nodes, yamltext.load_document):
        with pytest.raises(yamltext.YAMLSyntaxError, match=f"more than {YAML_NODES} nodes"):
            read("a: [" + "1," * YAML_NODES + "]")
    assert len(yamltext.load_document("[" + "1," * (YAML_NODES - 1) + "]")) == YAML_NODES - 1


def test_nesting_up_to_the_bound_is_read() -> None:
    """The bound itself is still allowed."""
    depth = OBJECT_DEPTH + 1  # the innermost list is a leaf
    assert yamltext.load_document("[" * depth + "]" * depth)
    with pytest.raises(yamltext.YAMLSyntaxError):
        yamltext.load_document("[" * (depth + 1) + "]" * (depth + 1))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1" + "0" * 400, "1" + "0" * 400),
        ("1" * 5000, "1" * 5000),
        ("1e999", "1e999"),
        ("0x1ffffffffffffffffff", "0x1ffffffffffffffffff"),
        ("99999999999999999999", 1e20),
        ("0777777777777777777777777777", 7.777777777777778e26),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 1.8446744073709552e19),
        ("-9223372036854775808", -(2**63)),
        ("0b" + "1" * 64, 2**64 - 1),
        ("0b" + "1" * 65, "0b" + "1" * 65),
    ],
)
def test_numbers_beyond_64_bits_are_floats_or_text_as_in_go(written: str, value: object) -> None:
    """Asked of a Kubernetes 1.36 server: decimal digits make a float while it is finite, the rest stays text."""
    found = yamltext.load_document(f"a: {written}\n".encode())
    assert found == {"a": value}
    assert type(found["a"]) is type(value)
