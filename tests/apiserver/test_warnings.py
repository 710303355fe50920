"""How many warnings are sent, and how long: upstream's bounds."""

from __future__ import annotations

import pytest

from podsysctl.apiserver.respond import bounded


def letters(letter: str, count: int) -> str:
    """A warning of a length."""
    return letter * count


@pytest.mark.parametrize(
    ("warnings", "sent"),
    [
        (["a", "b", "a", ""], ["a", "b"]),
        (["a\nb", "c"], ["c"]),
        ([letters("a", 4096)], [letters("a", 4096)]),
        ([letters("a", 4097)], [letters("a", 256)]),
        ([letters("a", 4000), letters("b", 96)], [letters("a", 4000), letters("b", 96)]),
        ([letters("a", 4000), letters("b", 97), letters("c", 300)],
         [letters("a", 256), letters("b", 97), letters("c", 256)]),
        ([letters("a", 4000), "x" * 300 + "\n"], [letters("a", 4000)]),
        ([letters("a", 4097), "x" * 300 + "\n"], [letters("a", 256), letters("x", 256)]),
    ],
)  # fmt: skip
def test_bounded_warnings_are_cut_once_they_are_too_long_together(warnings: list[str], sent: list[str]) -> None:
    """4096 characters in all; past that 256 each; control characters are never sent."""
    assert bounded(warnings) == sent


def test_bounded_warnings_end_with_the_one_that_passes_the_bound() -> None:
    """What makes the cut necessary is still sent, and so is everything before it."""
    warnings = [f"{number:02}" + "x" * 98 for number in range(60)]
    assert bounded(warnings) == warnings[:41]
