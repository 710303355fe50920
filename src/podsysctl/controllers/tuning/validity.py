"""What is said of each Tuned in its status: OpenShift's condition Valid, and ours, Usable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.controllers import conditions
from podsysctl.controllers.tuning import rules
from podsysctl.controllers.tuning.collection import Collection
from podsysctl.objects import tuning
from podsysctl.objects.quote import quote

Object = dict[str, Any]

EXPECTED, INVALID = "AsExpected", "InvalidConfiguration"
POD_LABELS = "Deprecated pod label matching detected."
UNUSABLE = "ProfileUnusable"


def valid(tuned: Object, collection: Collection) -> tuple[bool, str]:
    """Whether OpenShift's operator calls it valid, and its words if not."""
    name = tuned["metadata"]["name"]
    if name in collection.conflicts:
        return False, f"Duplicate TuneD profile {quote(collection.conflicts[name])} with conflicting content detected."
    if any(rule.tuned == name and rule.asks_pods for rule in collection.rules):
        return False, POD_LABELS
    return True, ""


def problems(tuned: Object, collection: Collection, unusable: Mapping[str, str]) -> list[str]:
    """What keeps a rule of this Tuned from doing anything. `unusable` tells of recommended profiles what is wrong."""
    name = tuned["metadata"]["name"]
    recommended = dict.fromkeys(rule.profile for rule in collection.rules if rule.tuned == name)
    found = [unusable[profile] for profile in recommended if profile in unusable]
    return found + [f"{path} can never match: label, value and match must be text, text and a list" for path in
                    rules.broken_entries(tuned)]  # fmt: skip


def status_patch(tuned: Object, collection: Collection, found: Iterable[str], now: str) -> Object | None:
    """The merge patch of the status, None when it says all that already."""
    status: Object = {"conditions": list((tuned.get("status") or {}).get("conditions") or ())}
    is_valid, message = valid(tuned, collection)
    reason = EXPECTED if is_valid else INVALID
    changed = conditions.put(
        status, conditions.make(tuning.VALID, "True" if is_valid else "False", reason, message, now)
    )
    text = "; ".join(found)
    usable = conditions.make(tuning.USABLE, "False" if text else "True", UNUSABLE if text else EXPECTED, text, now)
    changed |= conditions.put(status, usable)
    return {"status": status} if changed else None
