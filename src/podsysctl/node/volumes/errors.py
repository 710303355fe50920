"""What can go wrong with one volume, in the words of the FailedMount event."""

from __future__ import annotations

from podsysctl.base.errors import PodsysctlError


class VolumeError(PodsysctlError):
    """One volume cannot be made; `message` is the kubelet's FailedMount text."""

    reason = "FailedMount"

    def __init__(self, volume_name: str, text: str) -> None:
        super().__init__(f'MountVolume.SetUp failed for volume "{volume_name}" : {text}')
        self.volume_name = volume_name
        self.text = text
