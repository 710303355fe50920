"""Several settings of one parameter come to the same as one or two."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.tuned.folding import fold
from podsysctl.sysctls.tuned.plan import Guard, Place, Setting

NAMES = [parse_name("vm.swappiness"), parse_name("vm.dirty_ratio")]
PLACE = Place("a", "sysctl", "key", 2)
SETTINGS = st.lists(
    st.builds(
        Setting, st.sampled_from(NAMES), st.integers(0, 9).map(str), st.sampled_from(list(Guard)), st.just(PLACE)
    ),
    max_size=8,
)


def applied(settings: list[Setting] | tuple[Setting, ...], value: int) -> dict[str, int]:
    """What applying them one after the other makes of two parameters with this value."""
    values = {name.dotted: value for name in NAMES}
    for setting in settings:
        number, current = int(setting.value), values[setting.name.dotted]
        if (
            setting.guard is Guard.NONE
            or (setting.guard is Guard.RAISE and number > current)
            or (setting.guard is Guard.LOWER and number < current)
        ):
            values[setting.name.dotted] = number
    return values


@given(SETTINGS, st.integers(0, 9))
def test_folded_settings_give_the_same_value(settings: list[Setting], value: int) -> None:
    """For every value before."""
    assert applied(fold(settings), value) == applied(settings, value)


@given(SETTINGS)
def test_folded_settings_are_one_value_or_bounds(settings: list[Setting]) -> None:
    """One value, one bound, or a lower and an upper one in that order, with room between them."""
    found = fold(settings)
    for name in NAMES:
        of_name = [setting for setting in found if setting.name == name]
        guards = [setting.guard for setting in of_name]
        assert guards in ([], [Guard.NONE], [Guard.RAISE], [Guard.LOWER], [Guard.RAISE, Guard.LOWER])
        if len(guards) == 2:
            assert int(of_name[0].value) <= int(of_name[1].value)


def test_value_that_is_no_number_replaces_and_keeps_guards_apart() -> None:
    """A vector is the last one written; a guard after it is left to whoever refuses it."""
    first = Setting(NAMES[0], "1 2", Guard.NONE, PLACE)
    second = Setting(NAMES[0], "3 4", Guard.NONE, PLACE)
    raised = Setting(NAMES[0], "5", Guard.RAISE, PLACE)
    assert fold([first, second]) == (second,)
    assert fold([first, raised]) == (first, raised)
