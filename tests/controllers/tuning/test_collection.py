"""All Tuned objects together: their profiles, and where two say different things of one name."""

from __future__ import annotations

from podsysctl.controllers.tuning import validity
from podsysctl.controllers.tuning.collection import collect
from tests.controllers.tuning.builders import rule, tuned

NOW = "2026-01-01T00:00:00Z"


def test_profiles_are_sorted_by_name_and_each_is_there_once() -> None:
    """Equal copies are one."""
    found = collect([tuned("b", profiles={"z": "1", "m": "2"}), tuned("a", profiles={"a": "3", "z": "1"})])
    assert [(p["name"], p["data"]) for p in found.profiles] == [("a", "3"), ("m", "2"), ("z", "1")]
    assert not found.conflicts


def test_digest_follows_content_alone() -> None:
    """Order of the objects does not count, every character of a profile does."""
    one, other = tuned("a", profiles={"p": "x"}), tuned("b", profiles={"q": "y"})
    assert collect([one, other]).digest == collect([other, one]).digest
    assert collect([one]).digest != collect([tuned("a", profiles={"p": "x "})]).digest


def test_different_texts_of_one_name_are_a_conflict_of_both_tuneds() -> None:
    """A third that defines it equally to one of them is in it, one that does not define it is not."""
    tuneds = [
        tuned("a", profiles={"p": "1"}),
        tuned("b", profiles={"p": "2"}),
        tuned("c", profiles={"p": "1"}),
        tuned("d", profiles={"q": "1"}),
    ]
    assert collect(tuneds).conflicts == {"a": "p", "b": "p", "c": "p"}


def test_conflict_of_two_entries_of_one_tuned_is_its_own() -> None:
    """The API admits a name twice in one object."""
    one = tuned("a")
    one["spec"]["profile"] = [{"name": "p", "data": "1"}, {"name": "p", "data": "2"}]
    assert collect([one]).conflicts == {"a": "p"}


def valid_condition(*tuneds: dict[str, object]) -> tuple[str, str, str]:
    """Status, reason and message of the first Tuned's condition Valid."""
    patch = validity.status_patch(tuneds[0], collect(list(tuneds)), (), NOW)
    assert patch is not None
    condition = next(c for c in patch["status"]["conditions"] if c["type"] == "Valid")
    return condition["status"], condition["reason"], condition["message"]


def test_valid_says_what_upstream_says() -> None:
    """Texts byte for byte."""
    assert valid_condition(tuned("a", rule("p"))) == ("True", "AsExpected", "")
    assert valid_condition(tuned("a", profiles={"p": "1"}), tuned("b", profiles={"p": "2"})) == (
        "False",
        "InvalidConfiguration",
        'Duplicate TuneD profile "p" with conflicting content detected.',
    )
    nested = [{"label": "x", "match": [{"label": "app", "type": "pod"}]}]
    assert valid_condition(tuned("a", rule("p", match=nested))) == (
        "False",
        "InvalidConfiguration",
        "Deprecated pod label matching detected.",
    )


def test_conflict_hides_deprecated_matching() -> None:
    """One message, upstream's later check."""
    pods = rule("p", match=[{"label": "app", "type": "pod"}])
    found = valid_condition(tuned("a", pods, profiles={"p": "1"}), tuned("b", profiles={"p": "2"}))
    assert found[2].startswith("Duplicate TuneD profile")


def test_status_is_written_once_and_keeps_its_time() -> None:
    """The same verdict again is no change; another message keeps the transition's time."""
    one = tuned("a", rule("p", match=[{"label": "x", "match": ["y"]}]))
    current = collect([one])
    patch = validity.status_patch(one, current, validity.problems(one, current, {}), NOW)
    assert patch is not None
    one["status"] = patch["status"]
    assert validity.status_patch(one, current, validity.problems(one, current, {}), "2027-01-01T00:00:00Z") is None
    later = validity.status_patch(one, current, ["other"], "2027-01-01T00:00:00Z")
    assert later is not None
    usable = next(c for c in later["status"]["conditions"] if c["type"] == "Usable")
    assert (usable["status"], usable["message"], usable["lastTransitionTime"]) == ("False", "other", NOW)


def test_nested_entry_that_can_never_match_is_named() -> None:
    """The API does not check nested entries; its place is told."""
    one = tuned("a", rule("p"), rule("q", match=[{"label": "x"}, {"label": "x", "match": [{"label": 1}]}]))
    assert validity.problems(one, collect([one]), {}) == [
        "spec.recommend[1].match[1].match[0] can never match: label, value and match must be text, text and a list"
    ]
