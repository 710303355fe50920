"""Lists of processors as TuneD's functions read and write them: `0-3,^2`, and masks such as `0xf`.

Source: tuned utils/commands.py (cpulist_unpack, cpulist_pack, cpulist2hex, hex2cpulist).
"""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.base import limits


def unpack(text: str) -> list[int] | None:
    """The processors of a list, sorted; empty when the text is none, as in TuneD. None: a mask that is none, or
    more processors than there can be.

    Masks begin with `0x`, may hold commas and end with two of them; `^` and `!` take away.

    >>> unpack("0-5,^3"), unpack("0xf,,6")
    ([0, 1, 2, 4, 5], [0, 1, 2, 3, 6])
    """
    pieces, negated = _pieces(text.strip("'\"").split(","))
    found: set[int] = set()
    named = 0
    for piece in pieces:
        numbers = from_hex(piece) if piece[:2].lower() == "0x" else _range(piece)
        if numbers is None:
            return None if piece[:2].lower() == "0x" else []
        if numbers and numbers[-1] >= limits.TUNED_PROCESSORS:
            return None
        named += len(numbers)
        if named > 4 * limits.TUNED_PROCESSORS:
            return None  # the same ones again and again
        found.update(numbers)
    for piece in negated:
        numbers = _range(piece)
        if numbers is None:
            return []
        found -= {cpu for cpu in found if cpu in numbers}
    return sorted(found)


def pack(cpus: list[int]) -> str:
    """The shortest list.

    >>> pack([0, 1, 2, 5])
    '0-2,5'
    """
    out: list[tuple[int, int]] = []
    for cpu in cpus:
        if out and out[-1][1] == cpu - 1:
            out[-1] = (out[-1][0], cpu)
        else:
            out.append((cpu, cpu))
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in out)


def from_hex(text: str) -> list[int] | None:
    """The processors of a mask; None when the text is none, or has more bits than there can be processors.

    >>> from_hex("0x0000000f,00000001")
    [0, 32, 33, 34, 35]
    """
    try:
        mask = int(text.replace(",", ""), 16)
    except ValueError:
        return None
    if mask.bit_length() > limits.TUNED_PROCESSORS:
        return None
    return [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1] if mask > 0 else []


def to_hex(cpus: Iterable[int]) -> str:
    """The mask in groups of eight digits.

    >>> to_hex([0, 33])
    '00000002,00000001'
    """
    digits = f"{sum(1 << cpu for cpu in set(cpus)):x}"
    digits = digits.zfill(-(-len(digits) // 8) * 8)
    return ",".join(digits[start : start + 8] for start in range(0, len(digits), 8))


def join(cpus: Iterable[int], prefix: str = "") -> str:
    """The processors one by one."""
    return ",".join(f"{prefix}{cpu}" for cpu in cpus)


def _pieces(words: list[str]) -> tuple[list[str], list[str]]:
    """Masks put together again, and what is taken away."""
    pieces, negated, mask = [], [], ""
    for word in words:
        if mask:
            if word:
                mask += word
            else:
                pieces.append(mask)
                mask = ""
        elif word[:2].lower() == "0x":
            mask = word
        elif word[:1] in ("^", "!"):
            negated.append(word[1:])
        elif word:
            pieces.append(word)
    return [*pieces, mask] if mask else pieces, negated


def _range(piece: str) -> range | None:
    numbers = piece.split("-")
    try:
        low = int(numbers[0])
        return range(low, (int(numbers[1]) if len(numbers) > 1 else low) + 1)
    except ValueError:
        return None
