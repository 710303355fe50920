"""`image build`: the toolbox image, from this machine's own commands."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import image_runtime
from podsysctl.runtime.images import aliases
from podsysctl.runtime.images.local import LocalImages

HELP = "Build the toolbox image anew from this machine's own commands, and import it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `image build`."""
    image_runtime.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run `image build`."""

    async def build(images: LocalImages) -> None:
        await images.build_toolbox()
        sys.stdout.write(f"image/{aliases.TOOLBOX} built\n")

    return image_runtime.run(args, build)
