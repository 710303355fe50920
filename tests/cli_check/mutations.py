"""Hypothesis strategies: documents of every kind that `check` and `explain` read, with parts replaced by anything."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

WORDS = (
    "net.core.somaxconn", "kernel/sem", "net.ipv4.conf.eth0/100.rp_filter", "kernel.*", "*", "", ".", "/", "a=b",
    "1", "-1", "1e400", "0x10", "\x00", "\ud800", "ünï", "{{ .x }}", "privileged", "tuning", "yes", "null", "latest",
    "v1.99999999999999999999", "k8s.v1.cni.cncf.io/networks", "[", "a/b/c", "[sysctl]\nvm.swappiness", "x" * 300,
    "sysctl -w a=b; echo 1 > /proc/sys/x", "'", '"', "\\", "include=${f:exec:x}", "2147483648", "1/0", "MustRunAs",
    "1" * 400, "1e999", "*x", "&a", "!!binary x", "${X}", "sysctl -w vm.a=$X",
)  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=12)
)
keys = st.sampled_from((*WORDS[:4], "name", "value", "spec", "sysctls", "config", "type", "data", "match")) | st.text(
    max_size=6
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a value."""
    out = [path]
    if isinstance(value, dict):
        for key, inner in value.items():
            out += places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            out += places(inner, (*path, index))
    return out


def replaced(value: Any, path: tuple[Any, ...], part: Any) -> Any:
    """A copy with one part exchanged."""
    if not path:
        return part
    out = copy.copy(value)
    out[path[0]] = replaced(value[path[0]], path[1:], part)
    return out


@st.composite
def mutated(draw: st.DrawFn, documents: tuple[Any, ...]) -> Any:
    """One of the documents with one to four parts replaced."""
    value = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 4))):
        value = replaced(value, draw(st.sampled_from(places(value))), draw(values))
    return value
