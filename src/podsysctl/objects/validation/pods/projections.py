"""Rules of what may be projected into a volume: keys, pod fields, tokens and certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects.validation.fields import Errors, forbidden, invalid, required
from podsysctl.objects.validation.pods.options import PodOptions
from podsysctl.objects.validation.pods.paths import validate_unreserved_path
from podsysctl.objects.validation.pods.selectors import validate_field_selector, validate_resource_selector

_FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_SHORTEST_TOKEN_S = 600
_LONGEST_TOKEN_S = 1 << 32
_VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)


def _mode(mode: Any, errors: Errors, path: str) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errors.append(invalid(path, mode, _FILE_MODE))


def validate_key_paths(items: Any, errors: Errors, path: str) -> None:
    """Which keys become which files."""
    for index, item in enumerate(items or ()):
        _key_path(item, errors, f"{path}[{index}]")


def _key_path(item: Mapping[str, Any], errors: Errors, where: str) -> None:
    if not item.get("key"):
        errors.append(required(f"{where}.key"))
    if not item.get("path"):
        errors.append(required(f"{where}.path"))
    validate_unreserved_path(item.get("path") or "", errors, f"{where}.path")
    _mode(item.get("mode"), errors, f"{where}.mode")


def validate_downward_files(items: Any, errors: Errors, path: str) -> None:
    """Files that hold fields of the pod; upstream's paths leave out which file."""
    for item in items or ():
        _downward_file(item, errors, path)


def _downward_file(item: Mapping[str, Any], errors: Errors, path: str) -> None:
    if not item.get("path"):
        errors.append(required(f"{path}.path"))
    validate_unreserved_path(item.get("path") or "", errors, f"{path}.path")
    if item.get("fieldRef") is not None:
        validate_field_selector(item["fieldRef"], _VOLUME_FIELDS, errors, f"{path}.fieldRef")
        if item.get("resourceFieldRef") is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", text))
    elif item.get("resourceFieldRef") is not None:
        validate_resource_selector(item["resourceFieldRef"], True, errors, f"{path}.resourceFieldRef")
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    _mode(item.get("mode"), errors, f"{path}.mode")


def validate_projected(volume: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    """Every source of a projected volume, and that no two of them write one file."""
    taken: set[str] = set()
    for index, source in enumerate(volume.get("sources") or ()):
        where = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if source.get(kind) is not None:
                _keys(source[kind], taken, errors, path, f"{where}.{kind}")
        if source.get("downwardAPI") is not None:
            for item in source["downwardAPI"].get("items") or ():
                _downward_file(item, errors, f"{where}.downwardAPI")
                _claim_path(item.get("path") or "", item.get("path") or "", taken, errors, path)
        if source.get("serviceAccountToken") is not None:
            _token(source["serviceAccountToken"], options, errors, path, f"{where}.serviceAccountToken")
        present = [key for key, value in source.items() if value is not None]
        if len(present) > 1:
            errors.append(forbidden(where, "may not specify more than 1 volume type per source"))


def _keys(source: Mapping[str, Any], taken: set[str], errors: Errors, path: str, where: str) -> None:
    name = source.get("name") or ""
    if not name:
        errors.append(required(f"{where}.name"))
    for index, item in enumerate(source.get("items") or ()):
        _key_path(item, errors, f"{where}.items[{index}]")
        _claim_path(item.get("path") or "", name, taken, errors, path)


def _claim_path(file: str, shown: str, taken: set[str], errors: Errors, path: str) -> None:
    if not file:
        return
    if file in taken:
        errors.append(invalid(path, shown, "conflicting duplicate paths"))
    taken.add(file)


def _token(token: Mapping[str, Any], options: PodOptions, errors: Errors, path: str, where: str) -> None:
    seconds = token.get("expirationSeconds") or 0
    if seconds < _SHORTEST_TOKEN_S:
        text = "may not specify a duration less than 10 minutes"
        errors.append(invalid(f"{where}.expirationSeconds", seconds, text))
    if seconds > _LONGEST_TOKEN_S:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(f"{where}.expirationSeconds", seconds, text))
    if not token.get("path"):
        errors.append(required(f"{path}.path"))
    elif not options.allow_any_token_path:
        validate_unreserved_path(token["path"], errors, f"{path}.path")
