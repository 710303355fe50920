"""`image import FILE`: images from an archive, no registry needed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from podsysctl.cli import image_runtime
from podsysctl.runtime.images.local import LocalImages

HELP = """Import an OCI or docker archive, as `podman save` and `docker save` write them.

examples:
  podsysctl image import web.tar
  podsysctl image import layers.tar.gz --name=localhost/web"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `image import`."""
    image_runtime.add_arguments(parser)
    parser.add_argument("archive", type=Path, metavar="FILE", help="the archive, plain or gzip")
    parser.add_argument("--name", default="", metavar="NAME", help="the image's name, if the archive has none")


def run(args: argparse.Namespace) -> int:
    """Run `image import`."""

    async def load(images: LocalImages) -> None:
        for name in await images.import_archive(args.archive, args.name):
            sys.stdout.write(f"image/{name} imported\n")

    return image_runtime.run(args, load)
