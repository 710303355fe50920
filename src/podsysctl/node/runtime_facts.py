"""What the Node object shows of the container runtime: name, version, what is wrong with it, what it can do, images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from podsysctl.base.errors import RuntimeServiceError
from podsysctl.node.node_status import RuntimeFacts
from podsysctl.runtime.service import RuntimeService

SHOWN_IMAGES = 50
"""Images listed in the node's status, the kubelet's default nodeStatusMaxImages."""


class ReadFacts(Protocol):
    """Tells what runs a node's pods, and how well."""

    async def __call__(self) -> RuntimeFacts: ...


class FactsOfRuntime:
    """Facts of a container runtime. `problem` tells what else keeps the node from being ready, '' for nothing."""

    def __init__(self, runtime: RuntimeService, problem: Callable[[], str]) -> None:
        self._runtime = runtime
        self._problem = problem

    async def __call__(self) -> RuntimeFacts:
        """Ask the runtime; one that does not answer is a problem and no error."""
        try:
            version = await self._runtime.version()
            status = await self._runtime.status()
            listed = await self._runtime.list_images()
        except RuntimeServiceError as error:
            return RuntimeFacts("containerd", "unknown", f"container runtime is down: {error.message}")
        problems = [
            f"container runtime {'network ' if c.type == 'NetworkReady' else ''}not ready: "
            f"{c.type}=false reason:{c.reason} message:{c.message}"
            for c in status.status.conditions
            if not c.status
        ]
        problem = "; ".join(p for p in (*problems, self._problem()) if p)
        return RuntimeFacts(
            version.runtime_name,
            version.runtime_version,
            problem,
            _images(listed),
            tuple(_handler(handler) for handler in status.runtime_handlers),
            # One that says nothing of its features has none of them.
            {"supplementalGroupsPolicy": status.features.supplemental_groups_policy},
        )


def _handler(handler: Any) -> dict[str, Any]:
    """A runtime handler, as `status.runtimeHandlers` shows it."""
    features = handler.features
    shown = {"recursiveReadOnlyMounts": features.recursive_read_only_mounts, "userNamespaces": features.user_namespaces}
    return {"name": handler.name, "features": shown}


def _images(listed: list[Any]) -> tuple[dict[str, Any], ...]:
    """The biggest images with their names, as `status.images` shows them.

    A runtime lists them in any order: those of one size have the kubelet's (sliceutils.ByImageSize).
    """
    biggest = sorted(listed, key=lambda image: (image.size, image.id), reverse=True)[:SHOWN_IMAGES]
    return tuple(
        {"names": [*image.repo_digests, *image.repo_tags][:5], "sizeBytes": int(image.size)} for image in biggest
    )
