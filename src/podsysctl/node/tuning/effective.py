"""Who wins each parameter that a Profile speaks of: the value in force, who is behind it, and who wants another.

It answers for what is, not for what is meant: the winner is the last party whose value the kernel shows, be the profile
applied, refused, waiting, or overwritten since.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import KernelError
from podsysctl.kernel import procsys, settings
from podsysctl.node.tuning.wish import Claim, Verdict
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import normalise, values_equal

NOBODY = "nobody known: set by hand, by another program, or computed by the kernel"


def read_effective(verdict: Verdict, why_not: str, root: Path = Path("/")) -> list[dict[str, Any]]:
    """One entry for each parameter of the wish, sorted by name, at most TUNING_EFFECTIVE_ITEMS of them.

    `why_not` tells why the profile's values are not in force, "" when they are.
    """
    claims = {claim.name: claim for claim in verdict.claims}
    names = sorted({*claims, *(item.name for item in verdict.wish.requirements)})[: limits.TUNING_EFFECTIVE_ITEMS]
    out = []
    for name, live in procsys.read_here(names).items():
        if not isinstance(live, KernelError):
            out.append(_entry(verdict, name, live, claims.get(name), why_not, root))
    return out


def _entry(
    verdict: Verdict, name: SysctlName, live: str, claim: Claim | None, why_not: str, root: Path
) -> dict[str, Any]:
    spec = catalogue.spec_of(name)
    row = catalogue.find(name)
    layers = [("kernel default", row.default)] if row is not None and row.default else []
    layers += [(f"{source.kind} {source.where}", source.value) for source in settings.of_host(name, root)]
    if claim is not None and not claim.beaten:
        layers.append((f"{claim.place}" + (f" [not applied: {why_not}]" if why_not else ""), claim.guard + claim.value))
    elif claim is not None:
        layers.insert(-1, (f"{claim.place} [overridden by {claim.said}]", claim.beaten))
    target = verdict.targets.get(name)
    if target is not None and target.bounds is not None:
        said = f"already {target.said}" if target.satisfied else target.said
        layers = [layer for layer in layers if claim is None or layer[0] != str(claim.place)]
        winner = f"{said}, so nothing is written" if target.satisfied else said
        if values_equal(spec, live, target.value):
            return _made(name, live, winner, [layer for layer in layers if not values_equal(spec, layer[1], live)])
    same = [index for index, layer in enumerate(layers) if values_equal(spec, layer[1], live)]
    winner = layers[same[-1]][0] if same else NOBODY
    return _made(name, live, winner, [layer for index, layer in enumerate(layers) if index not in same])


def _made(name: SysctlName, live: str, winner: str, losers: list[tuple[str, str]]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name.dotted, "value": _cut(normalise(live)), "winner": _cut(winner)}
    if losers:
        out["losers"] = [_cut(f"{said} = {normalise(value)}") for said, value in losers]
    return out


def _cut(text: str) -> str:
    most = limits.TUNING_EFFECTIVE_CHARACTERS
    return text if len(text) <= most else text[: most - 1] + "…"
