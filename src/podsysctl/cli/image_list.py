"""`image list`: the images of the cluster's runtime."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import formats, image_runtime, tables
from podsysctl.runtime.images.local import LocalImages

HELP = "List the images of the cluster's runtime."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `image list`."""
    image_runtime.add_arguments(parser)
    parser.add_argument("-o", "--output", choices=("table", "json", "name"), default="table", help="table|json|name")


def run(args: argparse.Namespace) -> int:
    """Run `image list`."""

    async def show(images: LocalImages) -> None:
        found = await images.list()
        if args.output == "json":
            entries = [{"names": list(i.names), "id": i.id, "sizeBytes": i.size_bytes} for i in found]
            sys.stdout.write(formats.json_text(entries) + "\n")
        elif args.output == "name":
            sys.stdout.write("".join(f"{name}\n" for image in found for name in image.names))
        else:
            rows = [[n, i.id.removeprefix("sha256:")[:12], size_text(i.size_bytes)] for i in found for n in i.names]
            tables.print_rows(sys.stdout, ["IMAGE", "ID", "SIZE"], rows)

    return image_runtime.run(args, show)


def size_text(size_bytes: int) -> str:
    """A size for people, in powers of a thousand.

    >>> size_text(999), size_text(12_340_000)
    ('999B', '12.3MB')
    """
    size, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f}{unit}" if unit == "B" else f"{size:.1f}{unit}"
