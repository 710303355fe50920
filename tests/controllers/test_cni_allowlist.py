"""The cluster's allowlist for sysctls of interfaces: what a change is told as."""

from __future__ import annotations

import pytest

from podsysctl.controllers.cni_allowlist import describe_change


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (["^a$"], ["^a$"], ""),
        (["^a$", "^b$"], ["^b$", "^a$"], ""),
        (["^a$"], ["^a$", "^b$"], "added ^b$; new pods are judged by it, running ones are not"),
        (["^a$", "^b$"], [], "removed ^a$ ^b$; new pods are judged by it, running ones are not"),
        (["^a$"], ["^b$"], "added ^b$; removed ^a$; new pods are judged by it, running ones are not"),
    ],
)
def test_change_of_the_allowlist_tells_what_was_added_and_removed(old: list[str], new: list[str], text: str) -> None:
    """Order does not matter; what does is which keys pods may set."""
    assert describe_change(old, new) == text
