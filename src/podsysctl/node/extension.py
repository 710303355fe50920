"""What may be added to a sandbox between its making and its first container, such as secondary networks."""

from __future__ import annotations

from typing import Protocol

from podsysctl.node import pod as pods


class SandboxExtension(Protocol):
    """Called by the pod's worker, never twice at once for one pod.

    `added` runs after the runtime made a sandbox and before any container starts; PodsysctlError fails the sandbox,
    which is told as FailedCreatePodSandBox and tried again. `removing` runs before a sandbox is stopped, also for one
    that an earlier process made; it must tolerate being called again and for sandboxes it knows nothing of.
    """

    async def added(self, pod: pods.Pod, sandbox_id: str) -> None:
        """Attach whatever the pod asks for. Raises PodsysctlError."""
        ...

    async def is_complete(self, pod: pods.Pod, sandbox_id: str) -> bool:
        """Did `added` come to its end for this sandbox, in this process or an earlier one?

        Asked of a sandbox that has no containers yet. One that was left half-made is taken away and made anew.
        """
        ...

    async def removing(self, pod_uid: str, sandbox_id: str) -> None:
        """Detach it. Raises PodsysctlError when something is left."""
        ...
