"""Why a node cannot take a pod."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Misfit:
    """The reasons, in upstream's words, and whether removing pods from the node could not change that."""

    reasons: tuple[str, ...]
    hopeless: bool = True
