"""Rules of ConfigMaps, Secrets and ServiceAccounts (Kubernetes 1.36 pkg/apis/core/validation)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from podsysctl.objects import gojson, names
from podsysctl.objects.validation.fields import Errors, Named, each, forbidden, invalid, required, too_long
from podsysctl.objects.validation.meta import IMMUTABLE, validate_metadata, validate_update_metadata

Object = Mapping[str, Any]

DATA_BYTES = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"
_ACCOUNT_NAME = "kubernetes.io/service-account.name"
_DOCKER = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def _bytes_of(value: str) -> int:
    """How many bytes a base64 text stands for."""
    return len(value) * 3 // 4 - value[-2:].count("=")


def validate_config_map(obj: Object, errors: Errors) -> None:
    """A new ConfigMap."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        where = f"data[{key}]"
        each(errors, where, key, names.config_key(key))
        if key in binary:
            errors.append(invalid(where, key, "duplicate of key present in binaryData"))
        size += len(value.encode())
    for key, value in binary.items():
        each(errors, f"binaryData[{key}]", key, names.config_key(key))
        size += _bytes_of(value or "")
    if size > DATA_BYTES:
        errors.append(too_long("[]", DATA_BYTES))


def _validate_frozen(new: Object, old: Object, keys: tuple[str, ...], errors: Errors) -> None:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        errors.append(forbidden("immutable", _FROZEN))
    for key in keys:
        if (new.get(key) or {}) != (old.get(key) or {}):
            errors.append(forbidden(key, _FROZEN))


def validate_config_map_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed ConfigMap."""
    validate_update_metadata(new, old, errors)
    _validate_frozen(new, old, ("data", "binaryData"), errors)
    validate_config_map(new, errors)


def validate_secret(obj: Object, errors: Errors) -> None:
    """A new Secret, whose data must fit its type."""
    meta, data = obj.get("metadata") or {}, obj.get("data") or {}
    validate_metadata(meta, True, names.name_subdomain, errors)
    for key in data:
        each(errors, f"data[{key}]", key, names.config_key(key))
    if sum(_bytes_of(value or "") for value in data.values()) > DATA_BYTES:
        errors.append(too_long("data", DATA_BYTES))
    kind = obj.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        if not (meta.get("annotations") or {}).get(_ACCOUNT_NAME):
            errors.append(required(f"metadata.annotations[{_ACCOUNT_NAME}]"))
    elif kind in _DOCKER:
        _validate_docker(data, _DOCKER[kind], errors)
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            errors.append(required("data[username]"))
            errors.append(required("data[password]"))
    elif kind == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            errors.append(required("data[ssh-privatekey]"))
    elif kind == "kubernetes.io/tls":
        errors += [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]


def _validate_docker(data: Mapping[str, str | None], key: str, errors: Errors) -> None:
    if key not in data:
        errors.append(required(f"data[{key}]"))
        return
    problem = _json_object_problem(base64.b64decode(data[key] or ""))
    if problem:
        errors.append(invalid(f"data[{key}]", "<secret contents redacted>", problem))


def _json_object_problem(text: bytes) -> str:
    """Why a text is no JSON object, in the words of Go's decoder; empty when it is one."""
    try:
        gojson.check_syntax(text)
    except gojson.JSONSyntaxError as error:
        return str(error)
    value = gojson.to_plain(gojson.read_tree(text))
    if value is None or isinstance(value, dict):
        return ""
    what = "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"
    what = "bool" if isinstance(value, bool) else what
    return f"json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"


def validate_secret_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Secret."""
    validate_update_metadata(new, old, errors)
    if (new.get("type") or "") != (old.get("type") or ""):
        errors.append(invalid("type", Named(new.get("type") or ""), IMMUTABLE))
    _validate_frozen(new, old, ("data",), errors)
    validate_secret(new, errors)


def validate_service_account(obj: Object, errors: Errors) -> None:
    """A new ServiceAccount."""
    validate_metadata(obj.get("metadata") or {}, True, names.name_subdomain, errors)


def validate_service_account_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed ServiceAccount."""
    validate_update_metadata(new, old, errors)
    validate_service_account(new, errors)
