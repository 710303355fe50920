"""YAML as kubectl prints it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.cli import yaml_text
from podsysctl.objects import yamltext

GOLDEN = Path(__file__).parent / "golden"


def test_dump_scalars_quotes_as_kubectl_does() -> None:
    """The golden file is what kubectl 1.32 printed for the same values (create configmap --from-literal)."""
    values = json.loads((GOLDEN / "scalars.json").read_text())
    data = {f"k{i}": value for i, value in enumerate(values)}
    metadata = {"creationTimestamp": None, "name": "x"}
    text = yaml_text.dump({"apiVersion": "v1", "data": data, "kind": "ConfigMap", "metadata": metadata})
    assert text == (GOLDEN / "scalars.yaml").read_text()


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        (["b", "a10", "a2", "a"], ["a", "a2", "a10", "b"]),
        (["x-y", "xa", "x.y", "x1"], ["x-y", "x.y", "x1", "xa"]),
        (["a", "f:a", "."], [".", "a", "f:a"]),
    ],
)
def test_dump_keys_in_go_yaml_order(keys: list[str], order: list[str]) -> None:
    """Digits compare as numbers, and letters come after everything else."""
    lines = yaml_text.dump(dict.fromkeys(keys, 0)).splitlines()
    assert [line.rpartition(":")[0].strip("'\"") for line in lines] == order


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.-/", max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_dump_then_load_gives_the_value_back(value: Any) -> None:
    """Nothing changes its type on the way through YAML."""
    assert yamltext.load_document(yaml_text.dump(value)) == value
