"""What a node tells of its runtime."""

from __future__ import annotations

from typing import Any, cast

import pytest

from podsysctl.node.runtime_facts import SHOWN_IMAGES, FactsOfRuntime
from podsysctl.runtime import cri_pb2 as cri


class _Runtime:
    """Lists its images in the order given."""

    def __init__(self, images: list[cri.Image]) -> None:
        self.images = images

    async def version(self) -> cri.VersionResponse:
        return cri.VersionResponse(runtime_name="containerd", runtime_version="1")

    async def status(self) -> cri.StatusResponse:
        return cri.StatusResponse()

    async def list_images(self) -> list[cri.Image]:
        return self.images


@pytest.mark.parametrize("step", [1, -1])
async def test_images_of_one_size_are_always_told_in_one_order(step: int) -> None:
    """Otherwise the status differs each time it is looked at, and is written every ten seconds."""
    sizes = {"a": 1, "b": 2, "c": 2, "d": 3}
    images = [cri.Image(id=name, size=size, repo_tags=[name]) for name, size in sizes.items()]
    facts = await FactsOfRuntime(cast(Any, _Runtime(images[::step])), str)()
    assert [image["names"] for image in facts.images] == [["d"], ["c"], ["b"], ["a"]]


async def test_images_are_told_up_to_a_bound() -> None:
    """The biggest ones."""
    images = [cri.Image(id=str(size), size=size) for size in range(1, SHOWN_IMAGES + 2)]
    facts = await FactsOfRuntime(cast(Any, _Runtime(images)), str)()
    assert [image["sizeBytes"] for image in facts.images] == list(range(SHOWN_IMAGES + 1, 1, -1))
