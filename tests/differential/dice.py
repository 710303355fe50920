"""Random choices, right and wrong, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

Object = dict[str, Any]


class Dice(random.Random):
    """Random choices that are wrong on purpose with a probability set per pod."""

    wrong = 0.0

    def pick(self, good: Sequence[Any], bad: Sequence[Any]) -> Any:
        """One of the good ones, or, with the probability `wrong`, one of the bad ones."""
        return self.choice(bad if self.random() < self.wrong else good)


def maybe(rng: Dice, chance: float, value: Callable[[], Any], into: Object, key: str) -> None:
    """Set `into[key]` with a probability."""
    if rng.random() < chance:
        into[key] = value()
