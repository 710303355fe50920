"""Label and field selectors: grammar, matching and upstream's texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.objects import selectors

LABELS = {"app": "web", "tier": "a", "n": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier in (a,b)", True),
        ("app!=web", False),
        ("other!=web", True),
        ("tier in (a,b)", True),
        ("tier notin (a,b)", False),
        ("other notin (a)", True),
        ("app", True),
        ("!app", False),
        ("!other,app", True),
        ("n>6", True),
        ("n>7", False),
        ("n<8", True),
        ("app>1", False),
        ("other=", False),
        ("other in ()", False),
        ("in in (in)", False),
        ("example.com/x", False),
    ],
)
def test_label_selector_text_matches_as_upstream(text: str, expected: bool) -> None:
    """Every operator matches as upstream's does, absent labels included."""
    assert selectors.parse_label_selector(text).matches(LABELS) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "a/b/c=d",
            'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must consist of '
            "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
            "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')",
        ),
        (
            "a>b",
            'unable to parse requirement: values[0]: Invalid value: "b": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_label_selector_malformed_text_gives_upstreams_message(text: str, message: str) -> None:
    """A text outside the grammar is refused in upstream's words."""
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.parse_label_selector(text)
    assert caught.value.message == message


def test_label_selector_text_printed_is_sorted_by_key() -> None:
    """The printed form is sorted by key, and values of a set are sorted."""
    parsed = selectors.parse_label_selector("z=1,b in (y,x),!c,a>3,d")
    assert str(parsed) == "a>3,b in (x,y),!c,d,z=1"
    assert selectors.parse_label_selector(str(parsed)) == parsed


def test_label_selector_object_absent_matches_nothing() -> None:
    """None selects nothing, an empty object everything, and expressions are joined by and."""
    assert not selectors.from_object(None).matches({})
    assert selectors.from_object({}).matches({})
    chosen = selectors.from_object(
        {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "n", "operator": "In", "values": ["7"]}]}
    )
    assert chosen.matches(LABELS)
    with pytest.raises(selectors.SelectorError, match='"Foo" is not a valid label selector operator'):
        selectors.from_object({"matchExpressions": [{"key": "n", "operator": "Foo"}]})


@given(st.text(alphabet='ab=!(),<> in\0\n"é', max_size=30))
def test_label_selector_any_text_parses_or_is_refused(text: str) -> None:
    """No text crashes the parser, and what parses prints to a text that parses."""
    try:
        parsed = selectors.parse_label_selector(text)
    except selectors.SelectorError:
        return
    selectors.parse_label_selector(str(parsed))


def test_field_selector_terms_match_and_escape() -> None:
    """Terms are joined by and; commas and equal signs of values are escaped."""
    pod = {"metadata": {"name": "a,b"}, "spec": {"nodeName": "n1"}, "status": {}}
    chosen = selectors.parse_field_selector(r"metadata.name=a\,b,spec.nodeName==n1,status.phase!=Failed")
    assert chosen.matches(lambda path: selectors.object_field(pod, path))
    assert chosen.exact("metadata.name") == "a,b"
    assert chosen.exact("status.phase") is None
    assert str(chosen) == r"metadata.name=a\,b,spec.nodeName=n1,status.phase!=Failed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid selector: 'foo'; can't understand 'foo'"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
        ("foo=bar", "field label not supported: foo"),
    ],
)
def test_field_selector_malformed_text_gives_upstreams_message(text: str, message: str) -> None:
    """A text outside the grammar, or a field the kind does not offer, is refused in upstream's words."""
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.parse_field_selector(text, supported=("metadata.name", "a"))
    assert caught.value.message == message
