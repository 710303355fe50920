"""Rules of volume sources that live outside the node: network file systems, cloud disks, CSI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, Named, each, invalid, not_supported, required, too_long
from podsysctl.objects.validation.pods.options import PodOptions

Source = Mapping[str, Any]
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.\-]+)(:[^,;*&$|\s]+)\Z", re.ASCII),
    "eui": re.compile(r"\Aeui.[A-Za-z0-9]{16}\Z"),
    "naa": re.compile(r"\Anaa.[A-Za-z0-9]{32}\Z"),
}
_CACHING_MODES = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_MANAGED_URI = ("/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",)
_BLOB_URI = ("https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",)


def _needs(*keys: str) -> Callable[[Source, PodOptions, Errors, str], None]:
    """A source of which only some fields are required."""

    def check(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
        for key in keys:
            if not source.get(key):
                errors.append(required(f"{path}.{key}"))

    return check


def _disk(key: str) -> Callable[[Source, PodOptions, Errors, str], None]:
    def check(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
        if not source.get(key):
            errors.append(required(f"{path}.{key}"))
        partition = source.get("partition") or 0
        if not 0 <= partition <= 255:
            errors.append(invalid(f"{path}.partition", partition, names.range_error(1, 255)))

    return check


def _nfs(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("server"):
        errors.append(required(f"{path}.server"))
    folder = source.get("path") or ""
    if not folder:
        errors.append(required(f"{path}.path"))
    if not folder.startswith("/"):
        errors.append(invalid(f"{path}.path", folder, "must be an absolute path"))


def _iscsi(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("targetPortal"):
        errors.append(required(f"{path}.targetPortal"))
    name = source.get("iqn") or ""
    if not name:
        errors.append(required(f"{path}.iqn"))
    else:
        _initiator(name, name, errors, f"{path}.iqn")
    lun = source.get("lun") or 0
    if not 0 <= lun <= 255:
        errors.append(invalid(f"{path}.lun", lun, names.range_error(0, 255)))
    uses_chap = source.get("chapAuthDiscovery") or source.get("chapAuthSession")
    if uses_chap and source.get("secretRef") is None:
        errors.append(required(f"{path}.secretRef"))
    if source.get("initiatorName") is not None:
        _initiator(source["initiatorName"], source["initiatorName"], errors, f"{path}.initiatorname")


def _initiator(name: str, shown: str, errors: Errors, path: str) -> None:
    pattern = next((p for prefix, p in _INITIATORS.items() if name.startswith(prefix)), None)
    if pattern is None:
        errors.append(invalid(path, shown, "must be valid format starting with iqn, eui, or naa"))
    elif not pattern.search(name):
        errors.append(invalid(path, shown, "must be valid format"))


def _fibre_channel(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    targets, ids = source.get("targetWWNs") or [], source.get("wwids") or []
    if not targets and not ids:
        text = "must specify either targetWWNs or wwids, but not both"
        errors.append(required(f"{path}.targetWWNs", text))
    if targets and ids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(invalid(f"{path}.targetWWNs", targets, text))
    if targets:
        lun = source.get("lun")
        if lun is None:
            errors.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        elif not 0 <= lun <= 255:
            errors.append(invalid(f"{path}.lun", lun, names.range_error(0, 255)))


def _quobyte(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    pair = "must be a host:port pair or multiple pairs separated by commas"
    registry = source.get("registry") or ""
    if not registry:
        errors.append(required(f"{path}.registry", pair))
    elif len(source.get("tenant") or "") >= 65:
        text = "must be a UUID and may not exceed a length of 64 characters"
        errors.append(required(f"{path}.tenant", text))
    else:
        for entry in registry.split(","):
            if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", entry):
                errors.append(invalid(f"{path}.registry", registry, pair))
    if not source.get("volume"):
        errors.append(required(f"{path}.volume"))


def _flocker(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    name, uuid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    if not name and not uuid:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(invalid(path, "resource", text))
    if "/" in name:
        errors.append(invalid(f"{path}.datasetName", name, "must not contain '/'"))


def _cinder(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("volumeID"):
        errors.append(required(f"{path}.volumeID"))
    _secret_name(source, errors, path)


def _secret_name(source: Source, errors: Errors, path: str) -> None:
    if source.get("secretRef") is not None and not source["secretRef"].get("name"):
        errors.append(required(f"{path}.secretRef.name"))


def _flex(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("driver"):
        errors.append(required(f"{path}.driver"))
    for key in source.get("options") or {}:
        namespace = f".{key.partition('/')[0].lower()}"
        if namespace.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(invalid(f"{path}.options[{key}]", key, text))


def _azure_disk(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("diskName"):
        errors.append(required(f"{path}.diskName"))
    uri = source.get("diskURI") or ""
    if not uri:
        errors.append(required(f"{path}.diskURI"))
    mode, kind = source.get("cachingMode"), source.get("kind")
    if mode is not None and mode not in _CACHING_MODES:
        errors.append(not_supported(f"{path}.cachingMode", Named(mode), _CACHING_MODES))
    if kind is not None and kind not in _DISK_KINDS:
        errors.append(not_supported(f"{path}.kind", Named(kind), _DISK_KINDS))
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        errors.append(not_supported(f"{path}.diskURI", uri, _MANAGED_URI))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        errors.append(not_supported(f"{path}.diskURI", uri, _BLOB_URI))


def _storage_os(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    if not source.get("volumeName"):
        errors.append(required(f"{path}.volumeName"))
    else:
        each(errors, f"{path}.volumeName", source["volumeName"], names.dns_label(source["volumeName"]))
    if source.get("volumeNamespace"):
        namespace = source["volumeNamespace"]
        each(errors, f"{path}.volumeNamespace", namespace, names.dns_label(namespace))
    _secret_name(source, errors, path)


def _csi(source: Source, options: PodOptions, errors: Errors, path: str) -> None:
    driver = source.get("driver") or ""
    if not driver:
        errors.append(required(f"{path}.driver"))
    else:
        if len(driver.encode()) > 63:
            errors.append(too_long(f"{path}.driver", 63))
        each(errors, f"{path}.driver", driver, names.dns_subdomain(driver.lower()))
    secret = source.get("nodePublishSecretRef")
    if secret is not None:
        name = secret.get("name") or ""
        if not name:
            errors.append(required(f"{path}.nodePublishSecretRef.name"))
        else:
            each(errors, f"{path}.name", name, names.name_subdomain(name))


CHECKS: dict[str, Callable[[Source, PodOptions, Errors, str], None]] = {
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "nfs": _nfs,
    "iscsi": _iscsi,
    "glusterfs": _needs("endpoints", "path"),
    "flocker": _flocker,
    "rbd": _needs("monitors", "image"),
    "cinder": _cinder,
    "cephfs": _needs("monitors"),
    "quobyte": _quobyte,
    "fc": _fibre_channel,
    "flexVolume": _flex,
    "azureFile": _needs("secretName", "shareName"),
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _azure_disk,
    "storageos": _storage_os,
    "scaleIO": _needs("gateway", "system", "volumeName"),
    "csi": _csi,
}
"""By the field's name; the order is that of `volumes`."""
