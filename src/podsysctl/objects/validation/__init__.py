"""Is an object valid? One module for each family of kinds, with upstream's rules, texts and order.

`validate` is called after defaulting, admission and `objects/strategy`; an empty list means yes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podsysctl.base.errors import FieldError
from podsysctl.objects.kinds import Kind
from podsysctl.objects.validation.fields import Errors
from podsysctl.objects.validation.pods.create import validate_pod
from podsysctl.objects.validation.pods.status import validate_status_update
from podsysctl.objects.validation.pods.update import validate_ephemeral_update, validate_pod_update

Create = Callable[[dict[str, Any], Errors], None]
Update = Callable[[dict[str, Any], dict[str, Any], Errors], None]

_CREATE: dict[str, Create] = {"core/v1.Pod": validate_pod}
_UPDATE: dict[tuple[str, str], Update] = {
    ("core/v1.Pod", ""): validate_pod_update,
    ("core/v1.Pod", "status"): validate_status_update,
    ("core/v1.Pod", "ephemeralcontainers"): validate_ephemeral_update,
}


def validate(
    kind: Kind, obj: dict[str, Any], old: dict[str, Any] | None = None, subresource: str = ""
) -> list[FieldError]:
    """What is wrong with an object: a new one, or one that replaces `old` through a subresource or the main path."""
    errors: Errors = []
    if old is None:
        create = _CREATE.get(kind.type_name)
        if create is not None:
            create(obj, errors)
    else:
        update = _UPDATE.get((kind.type_name, subresource))
        if update is not None:
            update(obj, old, errors)
    return errors
