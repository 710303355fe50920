"""Rules of a pod's volumes and their many sources (core validation ValidateVolumes)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.quantity import parse_quantity
from podsysctl.objects.quote import quote
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    duplicate,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from podsysctl.objects.validation.pods import remote_volumes
from podsysctl.objects.validation.pods.claims import validate_claim_template
from podsysctl.objects.validation.pods.options import PodOptions
from podsysctl.objects.validation.pods.paths import validate_inner_path, validate_no_backsteps
from podsysctl.objects.validation.pods.projections import (
    validate_downward_files,
    validate_key_paths,
    validate_projected,
)

Volume = Mapping[str, Any]
_FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def validate_volumes(
    volumes: Any, pod_meta: Mapping[str, Any] | None, options: PodOptions, errors: Errors, path: str
) -> dict[str, Volume]:
    """Check every volume; return the good ones by name, for mounts to refer to."""
    good: dict[str, Volume] = {}
    pod_name = (pod_meta or {}).get("name") or ""
    created = {
        f"{pod_name}-{volume.get('name') or ''}"
        for volume in volumes
        if pod_name and volume.get("ephemeral") is not None
    }
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        found: Errors = []
        name = volume.get("name") or ""
        _validate_source(volume, name, pod_name, options, found, where)
        if not name:
            found.append(required(f"{where}.name"))
        else:
            each(found, f"{where}.name", name, names.dns_label(name))
        if name in good:
            found.append(duplicate(f"{where}.name", name))
        if found:
            errors += found
        else:
            good[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim is not None and claim in created:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid(f"{where}.persistentVolumeClaim.claimName", claim, text))
    return good


def _validate_source(volume: Volume, name: str, pod_name: str, options: PodOptions, errors: Errors, path: str) -> None:
    count = 0
    for key in _ORDER:
        source = volume.get(key)
        if source is None:
            continue
        if count and key != "emptyDir":
            errors.append(forbidden(f"{path}.{_REFUSED_AS.get(key, key)}", "may not specify more than 1 volume type"))
        else:
            count += 1
            _CHECKS[key](source, options, errors, f"{path}.{_CHECKED_AS.get(key, key)}")
            if key == "ephemeral" and pod_name and name:
                claim = f"{pod_name}-{name}"
                for text in names.name_subdomain(claim):
                    errors.append(invalid(f"{path}.name", name, f"PVC name {quote(claim)}: {text}"))
        if key == "iscsi":
            _validate_portal_length(source, name, errors, path)
    if not count:
        errors.append(required(path, "must specify a volume type"))


def _validate_portal_length(source: Mapping[str, Any], name: str, errors: Errors, path: str) -> None:
    if source.get("initiatorName") is not None and len(f"{name}:{source.get('targetPortal') or ''}") > 64:
        text = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
            "if iscsi.initiatorName is specified."
        )
        errors.append(invalid(f"{path}.name", name, text))


Check = Callable[[Mapping[str, Any], PodOptions, Errors, str], None]


def _empty_dir(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    limit = source.get("sizeLimit")
    if limit is not None and parse_quantity(limit).nanos < 0:
        errors.append(forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity"))


def _host_path(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("path"):
        errors.append(required(f"{path}.path"))
        return
    validate_no_backsteps(source["path"], errors, f"{path}.path")
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        errors.append(not_supported(f"{path}.type", Named(kind), _HOST_PATH_TYPES))


def _git_repo(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("repository"):
        errors.append(required(f"{path}.repository"))
    validate_inner_path(source.get("directory") or "", errors, f"{path}.directory")


def validate_mode(mode: Any, errors: Errors, path: str) -> None:
    """The permission bits of files in a volume."""
    if mode is not None and not 0 <= mode <= 0o777:
        errors.append(invalid(path, mode, _FILE_MODE))


def _secret(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("secretName"):
        errors.append(required(f"{path}.secretName"))
    validate_mode(source.get("defaultMode"), errors, f"{path}.defaultMode")
    validate_key_paths(source.get("items"), errors, f"{path}.items")


def _config_map(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("name"):
        errors.append(required(f"{path}.name"))
    validate_mode(source.get("defaultMode"), errors, f"{path}.defaultMode")
    validate_key_paths(source.get("items"), errors, f"{path}.items")


def _downward(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    validate_mode(source.get("defaultMode"), errors, f"{path}.defaultMode")
    validate_downward_files(source.get("items"), errors, path)


def _projected(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    validate_mode(source.get("defaultMode"), errors, f"{path}.defaultMode")
    validate_projected(source, options, errors, path)


def _claim(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("claimName"):
        errors.append(required(f"{path}.claimName"))


def _ephemeral(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    template = source.get("volumeClaimTemplate")
    if template is None:
        errors.append(required(f"{path}.volumeClaimTemplate"))
    else:
        validate_claim_template(template, errors, f"{path}.volumeClaimTemplate")


def _image(source: Mapping[str, Any], options: PodOptions, errors: Errors, path: str) -> None:
    if options.is_pod and not source.get("reference"):
        errors.append(required(f"{path}.reference"))
    validate_pull_policy(source.get("pullPolicy") or "", errors, f"{path}.pullPolicy")


def validate_pull_policy(policy: str, errors: Errors, path: str) -> None:
    """When an image is pulled."""
    if not policy:
        errors.append(required(path))
    elif policy not in _PULL_POLICIES:
        errors.append(not_supported(path, Named(policy), _PULL_POLICIES))


_CHECKS: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _git_repo,
    "secret": _secret,
    "persistentVolumeClaim": _claim,
    "downwardAPI": _downward,
    "configMap": _config_map,
    "projected": _projected,
    "ephemeral": _ephemeral,
    "image": _image,
    **remote_volumes.CHECKS,
}

_ORDER = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
]
"""In the order in which upstream looks at them: the first one counts."""

_REFUSED_AS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
_CHECKED_AS = {"gcePersistentDisk": "persistentDisk"}
"""Fields that upstream's texts spell in their own way."""
