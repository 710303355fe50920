"""kubectl's JSONPath."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.objects import jsonpath

POD = {
    "kind": "Pod",
    "metadata": {"name": "p", "labels": {"a.b/c": "x"}},
    "spec": {"containers": [{"name": "a", "ports": [1, 2]}, {"name": "b", "image": "i", "ready": True}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Init", "n": 3}], "n": 7, "f": 0.5},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{.metadata.name}", "p"),
        ("name is {.metadata.name}!", "name is p!"),
        ("{$.metadata.name}{@.kind}", "pPod"),
        ("{.spec.containers[*].name}", "a b"),
        ("{.spec.containers[0].name}", "a"),
        ("{.spec.containers[-1].name}", "b"),
        ("{.spec.containers[0:2].name}", "a b"),
        ("{.spec.containers[::2].name}", "a"),
        ("{.spec.containers[0,1].name}", "a b"),
        ("{['metadata']['name']}", "p"),
        (r"{.metadata.labels.a\.b/c}", "x"),
        ("{.metadata.labels['a\\.b/c']}", "x"),
        ('{range .spec.containers[*]}{.name}{"\\n"}{end}', "a\nb\n"),
        ("{range .spec.none[*]}{.name}{end}{.kind}", "Pod"),
        ("{range .spec.containers[*]}{.name}:{range .ports[*]}{@},{end};{end}", "a:1,2,;b:;"),
        ('{.status.conditions[?(@.type=="Ready")].status}', "True"),
        ("{.status.conditions[?(@.n>2)].type}", "Init"),
        ("{.status.conditions[?(@.n)].type}", "Init"),
        ("{.spec.containers[?(@.ready==true)].name}", "b"),
        ("{..name}", "p a b"),
        ("{.status.n} {.status.f}", "7 0.5"),
        ("{.metadata.labels}", '{"a.b/c":"x"}'),
        ("{.metadata.missing}", ""),
        ("{.spec.containers[*].*}", "a [1,2] b i true"),
        ("{'single'}{\"dou\\tble\"}", "singledou\tble"),
    ],
)
def test_render_template_prints_as_kubectl(template: str, expected: str) -> None:
    """Every construct prints what kubectl prints."""
    assert jsonpath.parse(template).render(POD) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{.a", "unclosed action"),
        ("{.a[}", "unterminated array"),
        ("{.a[x]}", "invalid array index x"),
        ("{.a[?(@.b}", "unterminated filter"),
        ('{"a}', "unterminated quoted string"),
        ("{....a}", "invalid multiple recursive descent"),
        ("{!}", "unrecognized character in action: U+0021 '!'"),
        ("{end}", "not in range, nothing to end"),
        ("{foo}", "unrecognized identifier foo"),
        ("{.spec.containers[5]}", "array index out of bounds: index 5, length 2"),
        ("{.metadata.nope}", "nope is not found"),
        ("{.status.conditions[?(@.type>1)]}", "incompatible types for comparison"),
    ],
)
def test_template_malformed_or_misfit_has_upstreams_text(template: str, message: str) -> None:
    """Syntax and evaluation errors are upstream's."""
    with pytest.raises(jsonpath.JsonPathError) as caught:
        jsonpath.parse(template, allow_missing=False).render(POD)
    assert caught.value.message == message


def test_relaxed_expression_needs_no_braces() -> None:
    """Braces and the first dot may be left out; two expressions may not be given."""
    for text in (".metadata.name", "metadata.name", "{.metadata.name}", "{metadata.name}"):
        assert jsonpath.relaxed(text).first(POD) == "p"
    assert jsonpath.relaxed(".none").first(POD) is None
    with pytest.raises(jsonpath.JsonPathError, match="unexpected path string"):
        jsonpath.relaxed("{.a}{.b}")


@given(st.text(alphabet="{}[]().,*?@$:'\"=<>!\\ab01 -rangeend\n", max_size=40))
def test_any_template_renders_or_is_refused(template: str) -> None:
    """No template crashes or hangs."""
    obj: Any = {"a": [{"b": 1}, {"b": "x"}], "b": {"a": None}}
    try:
        jsonpath.parse(template).render(obj)
    except jsonpath.JsonPathError:
        return
