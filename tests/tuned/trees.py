"""Generates profile trees: every feature of the language, over parameters of the network namespace alone."""

from __future__ import annotations

import random
from typing import Any

INTEGERS = {
    "net.core.somaxconn": (1, 9000),
    "net.ipv4.conf.all.log_martians": (0, 1),
    "net.ipv4.conf.default.arp_announce": (0, 2),
    "net.ipv4.conf.eth0/100.arp_ignore": (0, 3),
    "net.ipv4.conf.eth0/100.rp_filter": (0, 2),
    "net.ipv4.conf.eth0.rp_filter": (0, 2),
    "net.ipv4.conf.lo.accept_redirects": (0, 1),
    "net.ipv4.ip_unprivileged_port_start": (0, 9000),
    "net.ipv4.neigh.wan.mcast_solicit": (1, 9),
    "net.ipv4.tcp_ecn": (0, 2),
    "net.ipv4.tcp_fin_timeout": (5, 100),
    "net.ipv4.tcp_keepalive_intvl": (5, 500),
    "net.ipv4.tcp_keepalive_time": (5, 9000),
    "net.ipv4.tcp_max_syn_backlog": (16, 4096),
    "net.ipv6.conf.eth0.hop_limit": (1, 200),
}
TEXTS = {
    "net.ipv4.ip_local_port_range": ("20000 30000", "1024\t65000", '"10000 60999"', "30000 20000"),
    "net.ipv4.ip_local_reserved_ports": ("8080,9148", '"1-5,7"', "70000", "80"),
    "net.ipv4.ping_group_range": ("0 2147483647", '"1 0"', "10 20"),
    "net.ipv4.tcp_congestion_control": ("reno", '"cubic"', "nosuch"),
    "net.ipv4.tcp_rmem": ("4096 131072 6291456", '"4096 87380 16777216"', "0 1 2", ">5", "a b c"),
    "net.ipv4.tcp_wmem": ('"4096 16384 4194304"', "4096 87380 6291456", "8192 16384 4194304"),
}
ABSENT = ("net.ipv4.no_such_parameter", "net.ipv4.conf.nolink.rp_filter", "net.ipv4.neigh.wan.retrans_time", "x",
          "a..b", "net.ipv4.neigh.eth0.base_reachable_time", "net.core.somaxconn.more")  # fmt: skip
# Left out is what the kernel takes by half and this program refuses: numbers too many ("1 2" for one), a backward range
# of groups, and a vector whose last word is no number. docs/node-tuning.md tells of them.
ODD_VALUES = ("abc", "99999999999999999999", "-5", "0x10", "010", ">x", "<0x5", ">", "> 77", "<  9", "1_0", "+7",
              "${nowhere}", "\\${v0}", "}", "${f:nope:1}", "${f:kb2s}", "", '"', '""', '"5', "7 # note", "7#note",
              "5;6", "${f:strip:}", "\\${f:strip:3}", "${f:strip:3", "1${", "${v0", "a\\:b")  # fmt: skip
PIECES = ("a", "}", "}", "${", "${f:", "\\", ":", "\\:", "${v0}", "${v1}", "${v2}", "\\${v1}", "${none}", " ", "\n",
          "0-3,", ",", "^2", "0xf,,", "${f:strip:", "${f:strip:}", "${f:kb2s:", "${f:s2kb:", "${f:cpulist_unpack:",
          "${f:cpulist_pack:", "${f:cpulist2hex:", "${f:hex2cpulist:0x5}", "${f:cpulist2devs:", "${f:cpulist_invert:",
          "${f:cpulist_present:", "${f:cpulist_online:", "${f:calc_isolated_cores:", "${f:calc_isolated_cores}",
          "${f:regex_search_ternary:a1:[a-z]:", "${f:virt_check:", "${f:assertion:x:", "${f:cpulist2hex_invert:",
          "\\${f:strip:b}", "${f:nope:", "é")  # fmt: skip
OPTIONS = ("replace=1", "replace=true", "replace=0", "enabled=0", "enabled=false", "enabled=1", "enabled=yes",
           "devices=eth*", "priority=5", "priority=-3", "uname_regex=^Linux", "uname_regex=Solaris",
           "cpuinfo_regex=processor\\s+:\\s+0", "cpuinfo_regex=no such processor")  # fmt: skip
SECTIONS = ("sysctl", "sysctl", "sysctl", "first", "second", "third")
HOST_FILES = ("etc/sysctl.conf", "etc/sysctl.d/10-a.conf", "etc/sysctl.d/20-b.conf", "run/sysctl.d/10-a.conf",
              "run/sysctl.d/30-c.conf", "usr/lib/sysctl.d/50-d.conf", "etc/sysctl.d/README")  # fmt: skip
UPPER, LOWER = "/etc/tuned", "/usr/lib/tuned"


class Generator:
    """Trees of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._clean = False

    def tree(self) -> dict[str, Any]:
        """One tree: the name to apply, and profiles by directory, the later directory winning.

        Every second one is such that a node could apply it: nothing in it is to be refused.
        """
        self._clean = not self._clean
        names = [f"p{index}" for index in range(self._random.randint(1, 6))]
        upper = {name: self.profile(name, names) for name in names if name == "p0" or not self.rarely(6)}
        lower = {name: self.profile(name, names) for name in names if self.rarely(3)}
        variables = [[f"v{index}", self.text(4)] for index in range(3)]
        texts = [self.text(9) for _ in range(12)]
        host = self.host_files() if self._clean and self.rarely(2) else {}
        return {
            "name": "p0", "directories": [[LOWER, lower], [UPPER, upper]], "variables": variables, "texts": texts,
            "host": host,
        }  # fmt: skip

    def host_files(self) -> dict[str, str]:
        """Files of the host that TuneD applies again on top of a profile, and some that it does not look at."""
        out = {}
        for place in self._random.sample(HOST_FILES, 3):
            lines = ["# host", "", "; host"]
            for key in self._random.sample(list(INTEGERS), 6):
                number = self._random.randint(*INTEGERS[key])
                lines.append(f"{key}{self.choice(('=', ' = '))}{number}")
            out[place] = "\n".join(lines) + "\n"
        return out

    def text(self, most: int) -> str:
        """Pieces of the syntax in any order, which no parameter could hold."""
        return "".join(self.choice(PIECES) for _ in range(self._random.randint(1, most)))

    def rarely(self, one_in: int) -> bool:
        """True one time in so many."""
        return self._random.randrange(one_in) == 0

    def profile(self, name: str, names: list[str]) -> str:
        """The text of one profile."""
        lines: list[str] = []
        if self.rarely(40):
            lines += ["[DEFAULT]", self.assignment()]
        if not self.rarely(5):
            lines += ["[main]", "summary=generated"]
            if name == "p0" or self.rarely(2):
                lines.append(self.include(name, names))
        if self._clean and name == "p0":
            lines += ["[variables]", *(f"w{index}={index}7" for index in (1, 2, 0)), "w0=50"]
        elif self.rarely(2):
            lines.append("[variables]")
            lines += [f"replace={self.rarely(2)}"] if self.rarely(8) else []
            lines += [f"drop={self.choice('vw')}{self._random.randrange(5)}"] if self.rarely(8) else []
            lines += [self.variable() for _ in range(self._random.randint(1, 5))]
        for section in self._random.sample(SECTIONS, self._random.randint(1, 3)):
            lines += self.section(section)
        if self.rarely(50) and not self._clean:
            lines.insert(self._random.randrange(len(lines)), self.choice(("nonsense", "=5", "[", "[]")))
        return self.layout(lines)

    def include(self, name: str, names: list[str]) -> str:
        """An include of some others, of itself, of something absent, or by a function."""
        chosen = self._random.sample(names, self._random.randint(1, len(names)))
        if not self.rarely(6):
            chosen = [other for other in chosen if other != name] or ["-absent"]
        parts = []
        for other in chosen:
            kind = self._random.randrange(12)
            optional = "-" if kind < 4 or self._clean else ""
            call = self.choice((f"${{f:strip: {other}}}", f"${{f:virt_check:{other}:{other}}}"))
            parts.append(call if kind == 11 and not self._clean else optional + other)
        if self.rarely(4):
            parts.append("-absent")
        if self.rarely(40) and not self._clean:
            parts.append(self.choice(("absent", "${v0}", "")))
        return "include=" + self.choice((",", ";", " , ", "; ")).join(parts)

    def section(self, name: str) -> list[str]:
        """A heading, perhaps options, and assignments."""
        lines = [f"[{name}]"]
        if name != "sysctl" and not self.rarely(8):
            lines.append("type=sysctl")
        if self.rarely(4):
            lines.append(self.choice(OPTIONS))
        if self.rarely(5):
            keys = self._random.sample([*INTEGERS, *TEXTS], 2)
            lines.append("drop=" + self.choice((",", ", ", " ; ")).join(keys))
        return lines + [self.assignment() for _ in range(self._random.randint(0, 6))]

    def assignment(self) -> str:
        """A key and a value, mostly good ones."""
        kind = self._random.randrange(20)
        if kind == 0 and not self._clean:
            key, value = self.choice(ABSENT), "1"
        elif kind < 5:
            key = self.choice(tuple(TEXTS))
            value = TEXTS[key][0] if self._clean else self.choice(TEXTS[key])
        else:
            key = self.choice(tuple(INTEGERS))
            value = self.choice(ODD_VALUES) if kind == 5 and not self._clean else self.integer(key)
        return key + self.choice(("=", " = ", "= ", " =")) + value + self.choice(("", "", "", " # why"))

    def integer(self, key: str) -> str:
        """A number, as it is, with a guard, by a variable or by a function."""
        number = str(self._random.randint(*INTEGERS[key]))
        kind = self._random.randrange(12)
        if self._clean and 7 <= kind != 9:
            return f"${{w{self._random.randrange(3)}}}" if INTEGERS[key][1] >= 100 else f"${{f:strip: {number} }}"
        if kind < 4:
            return number
        if kind < 7:
            return self.choice("<>") + number
        if kind < 9:
            return self.choice(("", "", ">")) + f"${{v{self._random.randrange(5)}}}"
        if kind == 9:
            return f'"{self.choice(("", ">", "<"))}{number}"'
        return self.function(number)

    def function(self, number: str) -> str:
        """A call that mostly comes to this number."""
        virtual = self.choice(("1", "2"))
        return self.choice(
            (
                f"${{f:strip: {number} }}",
                f"${{f:strip:{number[:1]}:{number[1:]}}}",
                f"${{f:regex_search_ternary:abc{number}:c[0-9]+$:{number}:1}}",
                f"${{f:regex_search_ternary:abc:^b:{number}:{virtual}}}",
                f"${{f:virt_check:{number}:{virtual}}}",
                f"${{f:kb2s:${{f:s2kb:{number}}}}}",
                f"${{f:strip:${{v{self._random.randrange(5)}}}}}",
                "${f:hex2cpulist:0x8}",
                "${f:cpulist_pack:3}",
                "${f:cpulist_unpack:1-2:^1}",
                "${f:cpulist_present:0-0}",
                "${f:cpulist_invert:1-999}",
                "${f:cpulist2hex:0,2}",
            )
        )

    def variable(self) -> str:
        """A variable that is a number, an earlier or later variable, or a function."""
        if self._clean:
            return f"w{self._random.randrange(3)}={self._random.choice((16, 20, 64, '${f:strip: 99 }'))}"
        kind = self._random.randrange(10)
        name = f"v{self._random.randrange(5)}"
        if self.rarely(30):
            name = self.choice(("bad-name", "é", "v 1"))
        if kind < 5:
            value = str(self._random.randint(0, 300))
        elif kind < 7:
            value = f"${{v{self._random.randrange(5)}}}"
        elif kind == 7:
            value = f"{self._random.randint(1, 9)}${{v{self._random.randrange(5)}}}"
        elif kind == 8:
            value = self.choice(ODD_VALUES)
        else:
            value = self.function(str(self._random.randint(1, 300)))
        return f"{name}={value}"

    def layout(self, lines: list[str]) -> str:
        """Blank lines, comments and indentation between the lines."""
        out: list[str] = []
        indent = self.choice(("", "", "  ", "\t"))
        for line in lines:
            if self.rarely(12):
                out.append(self.choice(("", "# note", "; note", "   ", "    # deep")))
            out.append(indent + line + self.choice(("", "", " ")))
        return "\n".join(out) + self.choice(("\n", "", "\n\n"))

    def choice(self, options: Any) -> Any:
        """One of these."""
        return self._random.choice(options)
