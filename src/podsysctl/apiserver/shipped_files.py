"""Reads the SecurityContextConstraints and roles of `deploy/scc/`, for the server and for verdicts without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from podsysctl.base.errors import PodsysctlError

DIRECTORY = Path(__file__).resolve().parents[3] / "deploy" / "scc"


def read_objects(directory: Path = DIRECTORY) -> Iterator[dict[str, Any]]:
    """The shipped objects, file by file. Raises PodsysctlError when they cannot be read."""
    paths = sorted(directory.glob("*.yaml"))
    if not paths:
        raise PodsysctlError(
            f"there are no shipped constraints in {directory}", hint="run podsysctl from a checkout of its repository"
        )
    try:
        for path in paths:
            yield from yaml.load_all(path.read_text(), yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise PodsysctlError(f"{directory}: shipped constraints cannot be read: {error}") from error
