"""The process that holds a sandbox open, as a static program of some 300 bytes.

Any image could do it with a shell, at a thousand times the memory of every sandbox. The machine code stands
here because no compiler may be assumed where we run; its sources are `pause.*.s` beside this file, and a test
assembles them and compares. A processor without a row gets the toolbox's bash with the same behaviour.
"""

from __future__ import annotations

import os
import struct

PATH = "/pause"
SCRIPT = "trap 'exit 0' TERM INT; exec 3<> <(:); while :; do read -r -u 3; done"
"""The same for bash, which reaps by itself. Reading a pipe that stays open never returns, but for signals."""

_CODE = {
    "x86_64": (
        62,
        "b80e00000031ff488d355800000031d241ba080000000f05b88000000048"
        "8d3d4200000031f631d241ba080000000f0583f80f742883f802742383f8"
        "1175d9b83d00000048c7c7ffffffff31f6ba010000004531d20f0585c07f"
        "e4ebbbb83c00000031ff0f050240010000000000",
    ),
    "aarch64": (
        183,
        "e81080d2000080d281030010020080d2030180d2010000d4281180d2e002"
        "0010010080d2020080d2030180d2010000d41f3c0071c00100541f080071"
        "800100541f440071a1feff54882080d200008092010080d2220080d20300"
        "80d2010000d41f0000712cffff54ecffff17a80b80d2000080d2010000d4"
        "0240010000000000",
    ),
}
"""By `uname -m`: the number of the machine in elf(5), and the code."""

_BASE = 0x400000
_HEADER_BYTES = 64 + 2 * 56
_PT_LOAD, _PT_GNU_STACK = 1, 0x6474E551
_READ_WRITE, _READ_EXECUTE = 6, 5


def program(machine: str = os.uname().machine) -> bytes | None:
    """The program file for a processor, or None when there is no code for it."""
    if machine not in _CODE:
        return None
    number, text = _CODE[machine]
    code = bytes.fromhex(text)
    size = _HEADER_BYTES + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", identity, 2, number, 1, _BASE + _HEADER_BYTES, 64, 0, 0, 64, 56, 2, 64, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", _PT_LOAD, _READ_EXECUTE, 0, _BASE, _BASE, size, size, 0x10000)
    # Without this row the kernel makes the stack executable.
    stack = struct.pack("<IIQQQQQQ", _PT_GNU_STACK, _READ_WRITE, 0, 0, 0, 0, 0, 16)
    return header + load + stack + code
