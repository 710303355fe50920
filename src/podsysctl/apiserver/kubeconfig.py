"""The administrator's kubeconfig, and those of the components."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from podsysctl.base.errors import PodsysctlError, UsageError
from podsysctl.client import config, kubeconfig

if TYPE_CHECKING:
    from podsysctl.apiserver.server import ApiServer

ADMIN_USER = "kubernetes-admin"


def write_admin(server: ApiServer) -> Path:
    """Write `kubeconfig` into the data directory for the administrator (group system:masters)."""
    return write(server, "kubeconfig", "admin", ADMIN_USER, ("system:masters",))


def write(server: ApiServer, file_name: str, credential: str, user: str, groups: tuple[str, ...]) -> Path:
    """Write a kubeconfig for a user with a client certificate; returns its path. Raises PodsysctlError.

    One that is there keeps what people changed in it: the server's address and the credentials alone are renewed.
    """
    issued = server.credential(credential, user, groups)
    content = kubeconfig.document(
        server=server.url,
        ca=server.authority.ca_pem,
        client_cert=issued.certificate,
        client_key=issued.key,
        user=user,
    )
    path = server.config.data_dir / file_name
    try:
        existing = config.read_file(path) if path.exists() else {}
    except UsageError as error:
        first_line = error.message.splitlines()[0]
        raise PodsysctlError(first_line, hint=f"mend {path}, or remove it to have it written anew") from error
    kubeconfig.write(path, kubeconfig.renewed(existing, content))
    return path
