"""The command line that comparisons of two servers share: connect to both, compare, print a summary."""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.differential.__main__ import Server
from tests.differential.dice import Dice


class Servers:
    """Both servers, and what differed so far; each comparison sends its requests in its own way."""

    def __init__(self, ours: Server, peer: Server, show: int) -> None:
        self.ours, self.peer, self.show = ours, peer, show
        self.both = (ours, peer)
        self.codes: Counter[int] = Counter()
        """How often the other server gave each code."""
        self.differences: Counter[str] = Counter()


Pair = TypeVar("Pair", bound=Servers)
Compare = Callable[[Pair, Dice, int], Awaitable[None]]


def main(
    name: str,
    description: str | None,
    pair: type[Pair],
    compare: Compare[Pair],
    *,
    count: int,
    show: int = 5,
    shown: str = "differences printed whole",
) -> int:
    """Read the command line and run a comparison; 0 when every answer is the same."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.differential.{name}", description=description)
    parser.add_argument("--ours", required=True, help="kubeconfig of our server")
    parser.add_argument("--peer", required=True, help="kubeconfig of the other server")
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=show, help=shown)
    return 1 if asyncio.run(_run(parser.parse_args(), pair, compare)) else 0


async def _run(args: argparse.Namespace, pair: type[Pair], compare: Compare[Pair]) -> int:
    """The number of differing answers."""
    ours, peer = Server(args.ours), Server(args.peer)
    await asyncio.gather(ours.open(), peer.open())
    servers = pair(ours, peer, args.show)
    try:
        await compare(servers, Dice(args.seed), args.count)
    finally:
        await asyncio.gather(ours.session.close(), peer.session.close())
    differing = servers.differences.total()
    print(f"{servers.codes.total()} requests, the other's codes {dict(servers.codes)}, {differing} answers differ")
    for place, number in servers.differences.most_common():
        print(f"  {number:6} {place}")
    return differing
