"""The user ids, groups and SELinux level that a namespace's annotations give to its pods, and their allocation.

Sources: library-go pkg/security/uid, cluster-policy-controller pkg/security/{mcs,controller},
apiserver-library-go sccmatching/matcher.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podsysctl.base.errors import UsageError
from podsysctl.policy.scc.constraint import MCS, SUPPLEMENTAL_GROUPS, UID_RANGE

FIRST_UID, LAST_UID, BLOCK_SIZE = 1_000_000_000, 1_999_999_999, 10_000
"""OpenShift's range for namespaces, `1000000000-1999999999/10000`."""
_MCS_LABELS_PER_BLOCK = 5
_MCS_CATEGORIES = 1024
_UINT32_MAX = 2**32 - 1

_BLOCK = re.compile(r"\s*(\d+)([/-])(\d+)")


@dataclass(frozen=True, slots=True)
class Block:
    """A run of user or group ids, both ends included. `str()` gives the annotation's form."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.start}/{self.end - self.start + 1}"


def parse_block(text: str) -> Block:
    """Read `start/size` or `start-end`. Raises UsageError, in upstream's words where it has some."""
    match = _BLOCK.match(text)
    if match is None:
        form = "<start>/<size>" if "/" in text else "<start>-<end>"
        raise UsageError(f'block not in the format "{form}"')
    first, separator, second = int(match[1]), match[2], int(match[3])
    if max(first, second) > _UINT32_MAX:
        raise UsageError("integer overflow on token")
    return Block(first, (first + second - 1) & _UINT32_MAX) if separator == "/" else Block(first, second)


@dataclass(frozen=True, slots=True)
class NamespaceRanges:
    """What the annotations of one namespace say; empty texts mean that an annotation is absent."""

    name: str
    uid_range: str = ""
    groups: str = ""
    level: str = ""

    @classmethod
    def parse(cls, name: str, annotations: Mapping[str, str]) -> NamespaceRanges:
        """Read the annotations; their texts are understood only when a constraint needs them."""
        uid_range = annotations.get(UID_RANGE, "")
        return cls(name, uid_range, annotations.get(SUPPLEMENTAL_GROUPS, uid_range), annotations.get(MCS, ""))

    def missing(self, annotations: Mapping[str, str]) -> str:
        """The annotation that admission waits for, empty when all are there."""
        return next((key for key in (UID_RANGE, MCS) if key not in annotations), "")

    def uid_block(self) -> Block:
        """The user ids. Raises UsageError when the annotation is empty or malformed."""
        if not self.uid_range:
            raise UsageError(f"found annotation {UID_RANGE} but it was empty")
        return parse_block(self.uid_range)

    def group_blocks(self) -> list[Block]:
        """The groups, from their own annotation or else the user ids'. Raises UsageError."""
        if not self.groups:
            text = f"unable to find groups using {SUPPLEMENTAL_GROUPS} and {UID_RANGE} annotations"
            raise UsageError(text)
        return [parse_block(part) for part in self.groups.split(",")]

    def selinux_level(self) -> str:
        """The MCS level. Raises UsageError when the annotation is empty."""
        if not self.level:
            raise UsageError(f"found annotation {MCS} but it was empty")
        return self.level


def allocate_block(taken: Iterable[str]) -> Block | None:
    """The lowest free block, given the uid-range annotations of all namespaces; None when all are taken."""
    used = set()
    for text in taken:
        try:
            block = parse_block(text)
        except UsageError:
            continue  # not one of ours: a person's own range takes no block
        if block.start >= FIRST_UID and (block.start - FIRST_UID) % BLOCK_SIZE == 0:
            used.add((block.start - FIRST_UID) // BLOCK_SIZE)
    for index in range((LAST_UID - FIRST_UID + 1) // BLOCK_SIZE):
        if index not in used:
            start = FIRST_UID + index * BLOCK_SIZE
            return Block(start, start + BLOCK_SIZE - 1)
    return None


def mcs_level(block: Block) -> str:
    """The SELinux level that belongs to a block: two categories, the higher first.

    >>> mcs_level(Block(1000660000, 1000669999))
    's0:c26,c5'
    """
    offset = (block.start - FIRST_UID) // BLOCK_SIZE * _MCS_LABELS_PER_BLOCK
    high = _MCS_CATEGORIES
    while high * (high - 1) // 2 > offset:
        high -= 1
    return f"s0:c{high},c{offset - high * (high - 1) // 2}"


def namespace_annotations(block: Block) -> dict[str, str]:
    """The three annotations of a namespace that was given a block."""
    return {UID_RANGE: str(block), SUPPLEMENTAL_GROUPS: str(block), MCS: mcs_level(block)}
