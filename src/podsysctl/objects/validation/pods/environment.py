"""Rules of environment variables and where they come from (core validation ValidateEnv)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, each, invalid, not_found, required
from podsysctl.objects.validation.pods.options import Spec, containers_of
from podsysctl.objects.validation.pods.paths import validate_no_backsteps
from podsysctl.objects.validation.pods.selectors import validate_field_selector, validate_resource_selector

_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_environment(variables: Any, errors: Errors, path: str) -> None:
    """Names of variables, and at most one source for each."""
    for index, variable in enumerate(variables):
        name = variable.get("name") or ""
        if not name:
            errors.append(required(f"{path}[{index}].name"))
        else:
            each(errors, f"{path}[{index}].name", name, names.environment_name(name))
        if variable.get("valueFrom") is not None:
            _validate_source(variable, errors, f"{path}[{index}].valueFrom")


def _validate_source(variable: Mapping[str, Any], errors: Errors, path: str) -> None:
    source = variable["valueFrom"]
    count = sum(source.get(key) is not None for key in _SOURCES)
    if source.get("fieldRef") is not None:
        validate_field_selector(source["fieldRef"], _FIELDS, errors, f"{path}.fieldRef")
    if source.get("resourceFieldRef") is not None:
        validate_resource_selector(source["resourceFieldRef"], False, errors, f"{path}.resourceFieldRef")
    for key in ("configMapKeyRef", "secretKeyRef"):
        if source.get(key) is not None:
            _validate_key(source[key], errors, f"{path}.{key}")
    if source.get("fileKeyRef") is not None:
        _validate_file_key(source["fileKeyRef"], errors, f"{path}.fileKeyRef")
    if not count:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        errors.append(invalid(path, "", text))
    elif variable.get("value"):
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))


def _validate_key(selector: Mapping[str, Any], errors: Errors, path: str) -> None:
    name, key = selector.get("name") or "", selector.get("key") or ""
    each(errors, f"{path}.name", name, names.name_subdomain(name))
    if not key:
        errors.append(required(f"{path}.key"))
    else:
        each(errors, f"{path}.key", key, names.config_key(key))


def _validate_file_key(selector: Mapping[str, Any], errors: Errors, path: str) -> None:
    key, volume = selector.get("key") or "", selector.get("volumeName") or ""
    if not key:
        errors.append(required(f"{path}.key"))
    else:
        each(errors, f"{path}.key", key, names.environment_name(key))
    if not volume:
        errors.append(required(f"{path}.volumeName"))
    else:
        each(errors, f"{path}.volumeName", volume, names.dns_label(volume))
    if not selector.get("path"):
        errors.append(required(f"{path}.path"))
    else:
        validate_no_backsteps(selector["path"], errors, f"{path}.path")


def validate_environment_sources(sources: Any, errors: Errors, path: str) -> None:
    """ConfigMaps and Secrets whose keys all become variables."""
    for index, source in enumerate(sources):
        where = f"{path}[{index}]"
        prefix = source.get("prefix") or ""
        if prefix:
            each(errors, f"{where}.prefix", prefix, names.environment_name(prefix))
        count = 0
        for key in ("configMapRef", "secretRef"):
            if source.get(key) is None:
                continue
            count += 1
            name = source[key].get("name") or ""
            if not name:
                errors.append(required(f"{where}.{key}.name"))
            else:
                each(errors, f"{where}.{key}.name", name, names.name_subdomain(name, True))
        if not count:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif count > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))


def validate_file_volumes(spec: Spec, errors: Errors, path: str) -> None:
    """Variables read from a file need an emptyDir volume to hold it."""
    volumes = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    for where, container in containers_of(spec, path):
        for index, variable in enumerate(container.get("env") or ()):
            selector = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if selector is None:
                continue
            name = selector.get("volumeName") or ""
            field = f"{where}.env[{index}].valueFrom.fileKeyRef.volumeName"
            if name not in volumes:
                errors.append(not_found(field, name))
            elif volumes[name].get("emptyDir") is None:
                errors.append(invalid(field, name, "referenced volume must be of type emptyDir"))
