"""Which server to talk to and as whom: a kubeconfig file, or the credentials of the pod we run in.

First step of every client. Leaves the talking to `rest.py` and the TLS context to `tls.py`.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import NoClusterError, UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, CA and namespace (client-go rest.InClusterConfig, v1.36)."""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """A program that prints credentials (client.authentication.k8s.io ExecCredential)."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster_info: bool = False
    install_hint: str = ""


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """A server and one identity. Certificates are PEM; `token_file` is read again when it changes.

    `namespace` is the one commands use when none is given. `context`, `cluster` and `user` are the names in
    the kubeconfig they came from, empty for in-cluster credentials.
    """

    server: str
    ca: bytes = b""
    client_cert: bytes = b""
    client_key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    exec_plugin: ExecPlugin | None = None
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = ""
    namespace: str = "default"
    impersonate_user: str = ""
    impersonate_groups: tuple[str, ...] = ()
    context: str = ""
    cluster: str = ""
    user: str = ""

    def impersonating(self, user: str, groups: tuple[str, ...] = ()) -> ClientConfig:
        """The same connection, acting as another user."""
        return replace(self, impersonate_user=user, impersonate_groups=groups)


def kubeconfig_paths(path: str | Path | None = None) -> list[Path]:
    """The files that make up the kubeconfig, first wins: `path`, else $KUBECONFIG, else ~/.kube/config."""
    if path is not None:
        return [Path(path)]
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path.home() / ".kube" / "config"]


def load(path: str | Path | None = None, context: str | None = None) -> ClientConfig:
    """The configuration of `context` (else the current one), or in-cluster credentials if there is no file.

    Raises UsageError naming the file and the missing entry.
    """
    paths = kubeconfig_paths(path)
    if path is None and not any(p.exists() for p in paths) and "KUBERNETES_SERVICE_HOST" in os.environ:
        return load_in_cluster()
    return resolve(read_kubeconfig(paths, must_exist=path is not None), context=context)


def load_in_cluster(root: Path = SERVICE_ACCOUNT) -> ClientConfig:
    """Credentials of the pod's service account. Raises UsageError outside a pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise UsageError("not in a pod: KUBERNETES_SERVICE_HOST is not set")
    try:
        ca = (root / "ca.crt").read_bytes()
        token = (root / "token").read_text().strip()
        namespace_file = root / "namespace"
        namespace = namespace_file.read_text().strip() if namespace_file.exists() else "default"
    except OSError as error:
        raise UsageError(f"cannot read the service account in {root}: {error.strerror}") from error
    address = f"[{host}]" if ":" in host else host
    return ClientConfig(
        server=f"https://{address}:{port}",
        ca=ca,
        token=token,
        token_file=str(root / "token"),
        namespace=namespace or "default",
    )


def read_kubeconfig(paths: list[Path], *, must_exist: bool = False) -> dict[str, Any]:
    """Merge kubeconfig files as kubectl does: the first file to name an entry or a setting wins.

    Relative paths inside a file become relative to that file. Raises UsageError for unreadable content.
    """
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for path in paths:
        if not must_exist and not is_present(path):
            continue
        document = read_file(path)
        for section in ("clusters", "users", "contexts"):
            known = {entry.get("name") for entry in merged[section]}
            for entry in document.get(section) or []:
                if isinstance(entry, dict) and entry.get("name") not in known:
                    merged[section].append(_anchor(entry, path.parent))
        if document.get("current-context") and not merged.get("current-context"):
            merged["current-context"] = document["current-context"]
    return merged


def is_present(path: Path) -> bool:
    """Whether a kubeconfig file is there. Raises UsageError where its directory is closed to this user."""
    try:
        return path.exists()
    except OSError as error:
        hint = "call the same command with sudo, or copy the file" if isinstance(error, PermissionError) else ""
        raise UsageError(f"cannot read kubeconfig {path}: {error.strerror}", hint=hint) from error


def read_file(path: Path) -> dict[str, Any]:
    """One kubeconfig file as it stands. Raises UsageError for unreadable content."""
    import yaml

    try:
        with path.open("rb") as stream:
            text = stream.read(limits.YAML_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read kubeconfig {path}: {error.strerror}") from error
    if len(text) > limits.YAML_DOCUMENT_BYTES:
        raise UsageError(f"kubeconfig {path} is larger than {limits.YAML_DOCUMENT_BYTES} bytes")
    try:
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise UsageError(f"kubeconfig {path} is not YAML: {error}") from error
    if document is not None and not isinstance(document, dict):
        raise UsageError(f"kubeconfig {path} is not a mapping")
    return document or {}


_PATH_FIELDS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _anchor(entry: dict[str, Any], base: Path) -> dict[str, Any]:
    """Make the relative file names of one entry relative to the file it stands in."""
    out = dict(entry)
    for part in ("cluster", "user"):
        values = out.get(part)
        if isinstance(values, dict):
            out[part] = {
                key: str(base / value) if key in _PATH_FIELDS and isinstance(value, str) and value else value
                for key, value in values.items()
            }
    return out


def resolve(
    document: Mapping[str, Any],
    *,
    context: str | None = None,
    cluster: str | None = None,
    user: str | None = None,
) -> ClientConfig:
    """Turn one context of a merged kubeconfig into a configuration.

    Raises NoClusterError when there is none, UsageError when an entry is missing or a certificate cannot be read.
    """
    context_name = context or document.get("current-context") or ""
    chosen = _named(document, "contexts", "context", context_name) if context_name else {}
    cluster_name = cluster or chosen.get("cluster") or ""
    user_name = user or chosen.get("user") or ""
    if not cluster_name:
        raise NoClusterError(
            "no cluster is configured",
            hint="start one with `podsysctl up`, or name a kubeconfig with --kubeconfig or $KUBECONFIG",
        )
    where = _named(document, "clusters", "cluster", cluster_name)
    who = _named(document, "users", "user", user_name) if user_name else {}
    if not where.get("server"):
        raise UsageError(f'cluster "{cluster_name}" of the kubeconfig names no server')
    return ClientConfig(
        server=str(where["server"]).rstrip("/"),
        ca=_material(where, "certificate-authority"),
        client_cert=_material(who, "client-certificate"),
        client_key=_material(who, "client-key"),
        token=str(who.get("token") or ""),
        token_file=str(who.get("tokenFile") or ""),
        username=str(who.get("username") or ""),
        password=str(who.get("password") or ""),
        exec_plugin=_exec_plugin(who.get("exec")),
        insecure=bool(where.get("insecure-skip-tls-verify")),
        tls_server_name=str(where.get("tls-server-name") or ""),
        proxy=str(where.get("proxy-url") or ""),
        namespace=str(chosen.get("namespace") or "default"),
        impersonate_user=str(who.get("as") or ""),
        impersonate_groups=tuple(who.get("as-groups") or ()),
        context=context_name,
        cluster=cluster_name,
        user=user_name,
    )


def _named(document: Mapping[str, Any], section: str, part: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry.get("name") == name:
            return dict(entry.get(part) or {})
    raise UsageError(f'{part} "{name}" does not exist in the kubeconfig')


def _material(entry: Mapping[str, Any], key: str) -> bytes:
    """Inline data wins over a file, as in client-go."""
    inline = entry.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(str(inline), validate=True)
        except binascii.Error as error:
            raise UsageError(f"{key}-data of the kubeconfig is not base64: {error}") from error
    path = entry.get(key)
    if not path:
        return b""
    try:
        return Path(str(path)).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {key} {path}: {error.strerror}") from error


def _exec_plugin(entry: Any) -> ExecPlugin | None:
    if not isinstance(entry, dict) or not entry.get("command"):
        return None
    return ExecPlugin(
        command=str(entry["command"]),
        args=tuple(str(arg) for arg in entry.get("args") or ()),
        env=tuple((str(item.get("name")), str(item.get("value"))) for item in entry.get("env") or ()),
        api_version=str(entry.get("apiVersion") or "client.authentication.k8s.io/v1"),
        provide_cluster_info=bool(entry.get("provideClusterInfo")),
        install_hint=str(entry.get("installHint") or ""),
    )
