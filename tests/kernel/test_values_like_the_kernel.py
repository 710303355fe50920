"""Odd values: what the parser takes the kernel takes, and reads back as the parser printed it."""

from __future__ import annotations

import pytest

from podsysctl.base.errors import KernelError, ValueSyntaxError
from podsysctl.kernel import namespaces, procsys
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.value import parse_value, values_equal

CASES = {
    "net.core.somaxconn": (
        "", "  ", "1", "+1", "-1", "01", "08", "0x", "0X1f", "1_000", "1e3", "1.0", "9" * 23, "1 2", "0x64", "0144",
        " 5", "5;id", "--5", "-0", "1,", "1\t", "0b11", "4294967297", "2147483648", "2147483647", "1x",
    ),
    "net.ipv4.ip_local_port_range": (
        "2000 3000", "3000 2000", "2000\t3000", "2000,3000", "2000-3000", "2000", "2000 3000 4000", "2000 3000 x",
        "0x7d0 3000", "65535 65535", "65535 65536", "2000\n3000",
    ),
    "net.ipv4.ip_local_reserved_ports": (
        "", "1", "1,2,3", "1-3", "3-1", "1-", "-1", "1--2", "1,,2", ",1", "1,", "a", "65536", "1-70000", "1 - 3",
        "5,1,3,2", "0-65535", "1 2", "1, 2", "0x10", "010", "1\n",
    ),
    "net.ipv4.tcp_rmem": ("4096 5000 6000", "4096 5000", "4096", "1 2 3 4", "6000 5000 4096", "0 1 2", "4096,1,2"),
    "net.core.rps_default_mask": ("3", "00000003", "g", "0x1", "1,", ",1", "123456789", ""),
    "net.ipv6.conf.lo.stable_secret": ("2001:db8::1", "::1", "2001:DB8:0:0:0:0:0:2", "2001:0db8:0000::3"),
}  # fmt: skip
"""By parameter of the namespace's own, one for each shape."""


@pytest.mark.root
@pytest.mark.parametrize("text", CASES)
def test_parser_takes_exactly_what_the_kernel_takes(text: str, root: None, unchanged_host: None) -> None:
    """Both refuse, or both take it and mean the same."""
    name, spec = parse_name(text), catalogue.spec_of(text)

    def differences() -> list[str]:
        out = []
        for value in CASES[text]:
            try:
                ours = parse_value(spec, value, partial=True).text
            except ValueSyntaxError:
                ours = None
            try:
                theirs = procsys.write(name, value, spec=spec).after
            except KernelError:
                theirs = None
            if ours is None or theirs is None:
                same = ours is theirs
            else:  # fewer numbers than there are change the first ones
                given = len(ours.split())
                same = values_equal(spec, " ".join(theirs.split()[:given]), ours)
            if not same:
                out.append(f"{value!r}: parsed {ours!r}, kernel {theirs!r}")
        return out

    assert namespaces.run_in_fresh(namespaces.THREAD_KINDS, differences) == []
