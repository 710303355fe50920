"""What an API server is started with, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from podsysctl.base.clock import Clock, SystemClock
from podsysctl.policy.platform import Platform

DEFAULT_PORT = 6443
REPOSITORY_CRDS = Path(__file__).resolve().parents[3] / "deploy" / "crds"
"""CustomResourceDefinitions loaded at every start."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`port` 0 means any free one. `extra_names` are further names or addresses of the serving certificate.

    `platform` decides whether SecurityContextConstraints judge pods, and Pod Security's defaults.
    """

    data_dir: Path
    port: int = DEFAULT_PORT
    address: str = "127.0.0.1"
    crd_dir: Path = REPOSITORY_CRDS
    extra_names: tuple[str, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
    platform: Platform = Platform.OPENSHIFT

    @property
    def store_dir(self) -> Path:
        """The database and its lock."""
        return self.data_dir / "store"

    @property
    def pki_dir(self) -> Path:
        """Certificates and keys."""
        return self.data_dir / "pki"

    @property
    def audit_log(self) -> Path:
        """One JSON line per write."""
        return self.data_dir / "audit.log"
