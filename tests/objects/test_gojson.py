"""JSON that ends too early, in the words of Go's scanner, which tries a blank at the end."""

from __future__ import annotations

import pytest

from podsysctl.objects import gojson

ENDED = "unexpected end of JSON input"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t", "invalid character ' ' in literal true (expecting 'r')"),
        ('{"a":fals', "invalid character ' ' in literal false (expecting 'e')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("1.", "invalid character ' ' after decimal point in numeric literal"),
        ("1e+", "invalid character ' ' in exponent of numeric literal"),
        ('"\\', "invalid character ' ' in string escape code"),
        ('"\\u1', "invalid character ' ' in \\u hexadecimal character escape"),
        ('"a', ENDED),
        ("", ENDED),
        ("[1", ENDED),
        ('{"a"', ENDED),
    ],
)
def test_end_inside_a_token_names_the_blank(text: str, words: str) -> None:
    """The texts are those of a Go program that was given these bytes."""
    with pytest.raises(gojson.JSONSyntaxError) as caught:
        gojson.check_syntax(text.encode())
    assert str(caught.value) == words
