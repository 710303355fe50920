"""`image tag IMAGE NAME`."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import image_runtime
from podsysctl.runtime.images.local import LocalImages

HELP = """Give an image one more name.

example:
  podsysctl image tag localhost/podsysctl/toolbox tools"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `image tag`."""
    image_runtime.add_arguments(parser)
    parser.add_argument("source", metavar="IMAGE", help="an image that is there")
    parser.add_argument("target", metavar="NAME", help="its new name")


def run(args: argparse.Namespace) -> int:
    """Run `image tag`."""

    async def tag(images: LocalImages) -> None:
        sys.stdout.write(f"image/{await images.tag(args.source, args.target)} tagged\n")

    return image_runtime.run(args, tag)
