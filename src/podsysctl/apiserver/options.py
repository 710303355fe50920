"""Query parameters of reads and writes, understood and checked.

Texts follow Kubernetes 1.36 `apimachinery/pkg/apis/meta/internalversion/validation` and `meta/v1/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.apiserver.requestinfo import is_true
from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, status
from podsysctl.objects.quote import quote

IGNORE, WARN, STRICT = "Ignore", "Warn", "Strict"
EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"

_MAX_MANAGER = 128
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_MOST = 2**63 - 1
_MOST_DIGITS = 100
"""Longer numbers, which Python may refuse to read, are out of range whatever they are."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Of list, watch and deletecollection. `send_initial_events` is None when not given, `limit` 0 without one."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_token: str = ""
    timeout_s: int | None = None
    bookmarks: bool = False
    send_initial_events: bool | None = None

    @property
    def revision(self) -> int:
        """resourceVersion as a number; 0 when absent."""
        return int(self.resource_version or 0)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Of create, update and patch."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = WARN
    force: bool | None = None


def parse_list(query: Mapping[str, str], *, watch: bool) -> ListOptions:
    """Raises StatusError 400 for what cannot be read and 422 for what contradicts itself."""
    options = ListOptions(
        label_selector=query.get("labelSelector", ""),
        field_selector=query.get("fieldSelector", ""),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        limit=min(max(integer(query, "limit") or 0, 0), _MOST - 1),  # one more is asked for, to know of the next page
        continue_token=query.get("continue", ""),
        timeout_s=integer(query, "timeoutSeconds"),
        bookmarks=is_true(query.get("allowWatchBookmarks")),
        send_initial_events=is_true(query["sendInitialEvents"]) if "sendInitialEvents" in query else None,
    )
    errors = _initial_events_errors(options, watch) if options.send_initial_events is not None else []
    if not errors and options.resource_version_match and options.send_initial_events is None:
        errors = _match_errors(options, watch)
    if errors:
        raise status.invalid_kind("meta.k8s.io", "ListOptions", "", errors)
    check_version(options.resource_version)
    return options


def parse_write(query: Mapping[str, str], options_kind: str, *, apply: bool = False) -> WriteOptions:
    """`options_kind` is CreateOptions, UpdateOptions or PatchOptions. Raises StatusError 422."""
    errors: list[FieldError] = []
    manager = query.get("fieldManager", "")
    if apply and not manager:
        errors.append(fielderrors.required("fieldManager", "is required for apply patch"))
    if not apply and "force" in query and options_kind == "PatchOptions":
        errors.append(fielderrors.forbidden("force", "may not be specified for non-apply patch"))
    if len(manager) > _MAX_MANAGER:
        errors.append(fielderrors.too_long("fieldManager", _MAX_MANAGER))
    for index, char in enumerate(manager):
        if not char.isprintable():
            text = f"invalid character {quote(char)} (at position {index})"
            errors.append(fielderrors.invalid("fieldManager", manager, text))
            break
    dry_run = query.get("dryRun")
    errors += dry_run_errors([dry_run] if dry_run is not None else [])
    validation = query.get("fieldValidation", "")
    if validation not in ("", IGNORE, WARN, STRICT):
        errors.append(fielderrors.not_supported("fieldValidation", validation, (IGNORE, STRICT, WARN)))
    if errors:
        raise status.invalid_kind("meta.k8s.io", options_kind, "", errors)
    force = is_true(query.get("force")) if "force" in query else None
    return WriteOptions(bool(dry_run), manager, validation or WARN, force)


def dry_run_errors(values: list[Any]) -> list[FieldError]:
    """Only `All` exists."""
    if any(value != "All" for value in values):
        return [fielderrors.not_supported("dryRun", values, ("All",))]
    return []


def field_manager(options: WriteOptions, user_agent: str) -> str:
    """The manager of a write: as given, or the front of the user agent."""
    if options.field_manager:
        return options.field_manager
    front = user_agent.split("/", 1)[0][:_MAX_MANAGER]
    return "".join(char for char in front if char.isprintable()) or "unknown"


def integer(query: Mapping[str, str], name: str) -> int | None:
    """A whole-number parameter, None when absent. Raises StatusError 400."""
    text = query.get(name)
    if text is None or text == "":
        return None
    if _INTEGER.fullmatch(text) is None:
        raise status.bad_request(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    if len(text) > _MOST_DIGITS or not -_MOST - 1 <= int(text) <= _MOST:
        raise status.bad_request(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return int(text)


def check_version(text: str) -> None:
    """Raises StatusError 422 for a resourceVersion that is no 64-bit number; none at all is fine."""
    if not text:
        return
    problem = ""
    if not (text.isascii() and text.isdigit()):
        problem = "invalid syntax"
    elif len(text) > _MOST_DIGITS or int(text) > 2**64 - 1:
        problem = "value out of range"
    if problem:
        detail = f"strconv.ParseUint: parsing {quote(text)}: {problem}"
        error = fielderrors.invalid("resourceVersion", text, detail)
        raise status.invalid_kind("meta.k8s.io", "ListOptions", "", [error])


def _match_errors(options: ListOptions, watch: bool) -> list[FieldError]:
    path = "resourceVersionMatch"
    match = options.resource_version_match
    if watch:
        return [fielderrors.forbidden(path, "resourceVersionMatch is forbidden for watch")]
    errors = []
    if not options.resource_version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(fielderrors.forbidden(path, text))
    if options.continue_token:
        errors.append(fielderrors.forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in (EXACT, NOT_OLDER_THAN):
        errors.append(fielderrors.not_supported(path, match, (EXACT, NOT_OLDER_THAN, "")))
    if match == EXACT and options.resource_version == "0":
        errors.append(fielderrors.forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    return errors


def _initial_events_errors(options: ListOptions, watch: bool) -> list[FieldError]:
    path = "sendInitialEvents"
    if not watch:
        return [fielderrors.forbidden(path, "sendInitialEvents is forbidden for list")]
    errors = []
    match = options.resource_version_match
    if match and match != NOT_OLDER_THAN:
        errors.append(fielderrors.not_supported("resourceVersionMatch", match, (NOT_OLDER_THAN,)))
    if not match:
        text = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        errors.append(fielderrors.forbidden("resourceVersionMatch", text))
    if options.continue_token:
        text = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(fielderrors.forbidden("resourceVersionMatch", text))
    return errors
