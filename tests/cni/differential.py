"""Random configurations given to upstream's plugin and to ours in upstream mode; every difference is told.

python -m tests.cni.differential COUNT [SEED [PROGRAM]]
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.cni import sandbox
from tests.cni.sandbox import DISTRIBUTION, Answer, Sandbox

BATCH = 40
"""Cases that share a pair of namespaces; each has a link of its own."""

KEYS = (
    "net.ipv4.conf.IFNAME.rp_filter",
    "net.ipv4.conf.IFNAME.accept_redirects",
    "net.ipv4.conf.IFNAME.arp_ignore",
    "net/ipv4/conf/IFNAME/send_redirects",
    "net.ipv6.conf.IFNAME.accept_ra",
    "net.ipv6.neigh.IFNAME.retrans_time_ms",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.core.somaxconn",
    "net.ipv4.ping_group_range",
    "net.ipv4/conf.IFNAME/secure_redirects",
    "net.ipv4.conf.all.log_martians",
)
BAD_KEYS = (
    "kernel.shmmax",
    "net.ipv4.conf.IFNAME.bogus",
    "net.ipv4.conf.nolink.rp_filter",
    "",
    "net",
    "net.ipv4",
    "net.ipv4.",
    "net.ipv4.conf.IFNAME/../../IFNAME.rp_filter",
    "net/ipv4/conf/IFNAME/../../../../kernel/shmmax",
    "fs.file-max",
    "net.ipv4.conf.IFNAME.rp_filter.more",
    "/proc/sys/net/ipv4/ip_forward",
    "net..ipv4..ip_forward",
    "net.ipv4.conf",
    "net.ipv4.tcp_available_congestion_control",
    "IFNAME",
    "../net.ipv4.ip_forward",
    "net.ipv4.conf.IFNAMEIFNAME.x",
)
VALUES = (
    "0",
    "1",
    "2",
    "1 ",
    " 1",
    "1\n",
    "32768 60999",
    "32768\t60999",
    "0 2147483647",
    "",
    "x",
    "-1",
    "0x1",
    "99999999999",
    "1\n2",
    "1000",
    "4096",
    "ä",
)
POOL = (
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_unprivileged_port_start",
    "net/core/somaxconn",
    "net/ipv4/ping_group_range",
    "net/ipv4/conf/all/log_martians",
    "net/ipv4/ip_forward",
)
LINK_FILES = (
    "net/ipv4/conf/{}/rp_filter",
    "net/ipv4/conf/{}/accept_redirects",
    "net/ipv4/conf/{}/arp_ignore",
    "net/ipv4/conf/{}/send_redirects",
    "net/ipv6/conf/{}/accept_ra",
    "net/ipv6/neigh/{}/retrans_time_ms",
    "net/ipv4/conf/{}/secure_redirects",
)
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "0.4.0", "0.4.0", "1.0.0", "1.0.0", "1.0.0", "1.1.0")
MACS = (
    "02:00:00:00:00:05",
    "02-00-00-00-00-06",
    "0200.0000.0007",
    "02:00:00:00:00:0A",
    "02:00:00:00:00",
    "x",
    "01:00:00:00:00:01",
    "00:00:00:00:00:00",
    "02:00:00:00:00:00:00:01",
    "2:0:0:0:0:1",
)


_COMMANDS = (
    *4 * (("ADD",),),
    *4 * (("ADD", "CHECK"),),
    *3 * (("ADD", "DEL"),),
    *6 * (("ADD", "CHECK", "DEL"),),
    ("CHECK",),
    ("DEL",),
    ("STATUS",),
    ("GC",),
    ("VERSION",),
    ("FOO",),
)


class Case:
    """One configuration, the variables that go with it, and the commands to try."""

    def __init__(self, random_: random.Random, number: int, newest: bool) -> None:
        self._random = random_
        self.newest = newest
        self.interface = f"n{number}"
        self.variables: dict[str, str] = {"CNI_IFNAME": self.interface, "CNI_CONTAINERID": f"c{number}"}
        self.config = self._config()
        self.data = self._data()
        self.commands = random_.choice(_COMMANDS)
        self._spoil_environment()

    def chance(self, part: float) -> bool:
        """True in this part of all cases."""
        return self._random.random() < part

    def _config(self) -> dict[str, Any]:
        pick = self._random.choice
        out: dict[str, Any] = {"name": "tune", "type": "tuning"}
        version = pick(VERSIONS)
        if not self.chance(0.05):
            out["cniVersion"] = pick(("0.9.0", "1", "1.0", "x", "0.4.0.1", "2.0.0")) if self.chance(0.05) else version
        if self.chance(0.8):
            out["sysctl"] = self._sysctl(self._random.randint(0, 4))
        out |= self._attributes(0.12)
        if self.chance(0.15):
            out["runtimeConfig"] = {"mac": pick(MACS)} if self.chance(0.8) else {}
        if self.chance(0.2):
            more = self._attributes(0.2)
            if self.chance(0.4):
                more["sysctl"] = self._sysctl(self._random.randint(0, 2))
            out["args"] = {"cni": more} if self.chance(0.9) else pick(({}, None, {"cni": None}))
        if not self.chance(0.04):
            out["prevResult"] = self._result(version)
        if self.chance(0.12):
            self._spoil(out)
        return out

    def _sysctl(self, count: int) -> dict[str, str]:
        keys = self._random.sample(KEYS, count)
        good = {key: self._good_value(key) for key in keys}
        if count <= 1 and self.chance(0.45):
            return {self._random.choice((*BAD_KEYS, *KEYS)): self._random.choice(VALUES)}
        return good

    def _good_value(self, key: str) -> str:
        if "range" in key:
            return self._random.choice(("32768 60999", "1024\t65000", "2000 3000"))
        if key.endswith("_ms") or "somaxconn" in key:
            return self._random.choice(("1000", "4096", "512"))
        return self._random.choice(("0", "1", "1", "0x1"))

    def _attributes(self, part: float) -> dict[str, Any]:
        pick = self._random.choice
        choices: dict[str, Any] = {
            "mac": pick(MACS),
            "mtu": pick((1400, 9000, 68, 60, 0, -1, 65536, 4294968696)),
            "promisc": pick((True, False)),
            "allmulti": pick((True, False)),
            "txQLen": pick((0, 1, 500, 20000, -1)),
        }
        return {key: value for key, value in choices.items() if self.chance(part)}

    def _result(self, version: str) -> Any:
        pick = self._random.choice
        if self.chance(0.06):
            return pick((None, {}, "x", [], {"cniVersion": "9.9.9"}, {"cniVersion": 1}, {"ips": "x"}))
        out: dict[str, Any] = {"cniVersion": version} if self.chance(0.9) else {}
        if self.chance(0.1):
            out["cniVersion"] = pick(VERSIONS)
        addresses = self._random.sample(
            ("10.1.2.3/24", "fd00::5/64", "10.9.0.1/32", "FD00:0::00AB/96"), pick((0, 1, 1, 2))
        )
        gateways = (None, "10.1.2.1", "fd00::1", "")
        if self.chance(0.04):
            addresses.append(pick(("10.1.2.3", "x/24", "10.1.2.300/24", "10.1.2.3/33", "010.1.2.3/8", 5)))
        if version in ("0.1.0", "0.2.0"):
            for address in addresses:
                key = "ip6" if ":" in str(address) else "ip4"
                out[key] = {
                    "ip": address,
                    **self._optional("gateway", pick(gateways)),
                    **self._optional(
                        "routes", pick((None, [{"dst": "0.0.0.0/0"}, {"dst": "fd01::/16", "gw": "fd00::1"}]))
                    ),
                }
            return out
        out["interfaces"] = pick(
            (
                [],
                [{"name": self.interface, "mac": "aa:bb:cc:dd:ee:ff", "sandbox": "/x"}],
                [{"name": "a<b&c"}, {"name": self.interface}],
            )
        )
        out["ips"] = []
        for address in addresses:
            ip = {
                "address": address,
                **self._optional("gateway", pick(gateways)),
                **self._optional("interface", pick((None, 0, 1))),
            }
            if version.startswith("0"):
                ip["version"] = "6" if ":" in str(address) else "4"
            out["ips"].append(ip)
        out |= self._optional("routes", pick((None, [], [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}, {"dst": "::/0"}])))
        out |= self._optional(
            "dns", pick((None, {}, {"nameservers": ["1.1.1.1"], "domain": "x", "search": [], "options": ["a"]}))
        )
        if self.chance(0.2):
            out["unknown"] = {"kept": [1, 2.5, None]}
        return out

    @staticmethod
    def _optional(key: str, value: Any) -> dict[str, Any]:
        return {} if value is None else {key: value}

    def _spoil(self, out: dict[str, Any]) -> None:
        """Put a value of the wrong type, or a null, somewhere."""
        key = self._random.choice(
            (
                "name",
                "sysctl",
                "mtu",
                "mac",
                "promisc",
                "dns",
                "ipam",
                "capabilities",
                "args",
                "runtimeConfig",
                "dataDir",
                "cniVersion",
                "allmulti",
            )
        )
        out[key] = self._random.choice((1, 1.5, "x", True, None, [], {}, ["x"], {"x": 1}, {"cni": {"mtu": "x"}}))
        if "dataDir" in out:  # the default folder would be both sides'
            out["dataDir"] = 5

    def _data(self) -> bytes:
        text = json.dumps(self.config)
        if self.chance(0.03):
            text = text.replace('"sysctl"', '"SysCtl"').replace('"mtu"', '"MTU"')
        if self.chance(0.03):
            text = text[: self._random.randint(0, len(text))]
        if self.chance(0.02):
            at = self._random.randint(0, len(text))
            text = text[:at] + self._random.choice('{}[]",:x1\x01') + text[at:]
        return text.encode()

    def _spoil_environment(self) -> None:
        if self.chance(0.1):
            name = self._random.choice(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"))
            values = {
                "CNI_CONTAINERID": ("", "a/b", "-x", "a_b.c"),
                "CNI_NETNS": ("", "/proc/nope", "/etc/hostname"),
                "CNI_IFNAME": ("", "a/b", "a:b", "longer-than-fifteen", ".", "..", "nolink", "a b"),
                "CNI_PATH": ("",),
            }
            self.variables[name] = self._random.choice(values[name])
        if self.chance(0.15):
            arguments = (
                "IgnoreUnknown=1;K8S_POD_NAME=x",
                "MAC=02:00:00:00:00:77",
                "K8S=x",
                "IgnoreUnknown=2",
                "a",
                "a=b=c",
                "IgnoreUnknown=true;MAC=02:00:00:00:00:78",
                "CommonArgs=1",
                ";",
            )
            self.variables["CNI_ARGS"] = self._random.choice(arguments)

    @property
    def backup(self) -> str:
        """The name of the file in which the attachment's originals are saved."""
        return f"{self.variables['CNI_CONTAINERID']}_{self.variables['CNI_IFNAME']}.json"

    @property
    def writes_many(self) -> bool:
        """May a failure leave a part written, which of upstream's random order nobody can foretell?"""
        more = self.config.get("args")
        more = more.get("cni") if isinstance(more, dict) else None
        inner = more.get("sysctl") if isinstance(more, dict) else None
        outer = self.config.get("sysctl")
        return sum(len(part) for part in (inner, outer) if isinstance(part, dict)) > 1


def state(box: Sandbox, interface: str) -> dict[str, str]:
    """Everything a case can change, as the namespace has it."""

    def read() -> dict[str, str]:
        names = [*POOL, *(file.format(interface) for file in LINK_FILES)]
        out = {name: Path("/proc/sys", name).read_text() for name in names if Path("/proc/sys", name).exists()}
        from podsysctl.cni import links

        try:
            link = links.find(interface)
        except OSError:
            return out
        return out | {"link": f"{link.mac} {link.mtu} {link.flags} {link.queue}"}

    return box.inside(read)  # type: ignore[no-any-return]


def is_newest(program: str) -> bool:
    """Is it a plugin of upstream's present line, which knows CNI 1.1?"""
    done = subprocess.run([program], env={"CNI_COMMAND": "VERSION"}, capture_output=True, check=True)
    return "1.1.0" in json.loads(done.stdout)["supportedVersions"]


def compare(count: int, seed: int, program: str = DISTRIBUTION) -> list[str]:
    """Run so many cases; a text for each that differs."""
    random_, differences = random.Random(seed), []
    newest = is_newest(program)
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        names = tuple(f"n{number}" for number in numbers)
        directory = tempfile.mkdtemp(prefix="psx-cni-")
        try:
            with sandbox.sandbox("a", names) as one, sandbox.sandbox("b", names) as other:
                # A bridge takes a random address; both sides start with the same.
                for box in (one, other):
                    box.ip(*(f"link set {name} address 02:11:00:00:00:{i:02x}" for i, name in enumerate(names)))
                _level(one, other, state(one, names[0]))  # the host may have changed between the two
                for number in numbers:
                    case = Case(random_, number, newest)
                    differences += _run(case, program, one, other, directory)
        finally:
            shutil.rmtree(directory)
    return differences


def _run(case: Case, program: str, one: Sandbox, other: Sandbox, directory: str) -> list[str]:
    out: list[str] = []
    for command in case.commands:
        answers: list[Answer] = []
        for box, side in ((one, "a"), (other, "b")):
            data = case.data
            if isinstance(case.config, dict) and "dataDir" not in case.config and data.startswith(b'{"name"'):
                data = b'{"dataDir": "' + f"{directory}/{side}".encode() + b'", ' + data[1:]
            variables = sandbox.environment(command, box.path, **case.variables)
            if "CNI_NETNS" in case.variables:
                variables["CNI_NETNS"] = case.variables["CNI_NETNS"]
                variables = {key: value for key, value in variables.items() if value}
            if side == "a":
                answers.append(sandbox.run_program([program], variables, data))
            else:
                variables["PODSYSCTL_TUNING_MODE"] = "upstream" if case.newest else "upstream-1.1"
                answers.append(sandbox.run_forked(variables, data))
        theirs, ours = answers
        label = f"{command} {case.variables} {case.data.decode(errors='replace')}"
        unsure = case.writes_many and theirs.code != 0
        text = theirs.text.replace(one.name, other.name).replace(f"{directory}/a", f"{directory}/b")
        same_text = _comparable(text) == _comparable(ours.text)
        if theirs.code != ours.code or (not same_text and not unsure):
            out.append(f"{label}\n  upstream {theirs.code} {theirs.text!r}\n  ours     {ours.code} {ours.text!r}")
        before, after = state(one, case.interface), state(other, case.interface)
        if unsure:
            _level(one, other, after)
            return out  # what follows would start from states that differ
        if before != after:
            different = {key: (before.get(key), after.get(key)) for key in before if before.get(key) != after.get(key)}
            out.append(f"{label}\n  state {different}")
            _level(one, other, after)
        backups = [_file(f"{directory}/{side}/{case.backup}") for side in ("a", "b")]
        if backups[0] != backups[1] and not unsure:
            out.append(f"{label}\n  backup {backups[0]} {backups[1]}")
    return out


def _level(one: Sandbox, other: Sandbox, wanted: dict[str, str]) -> None:
    """Give both sides the same values again.

    One value bounds another (no port range may begin below the first unprivileged port), so what is refused at first
    is written once more when the others are there.
    """
    for box in (one, other):
        refused = []
        for name in POOL:
            try:
                box.write(name, wanted[name])
            except OSError:
                refused.append(name)
        for name in refused:
            box.write(name, wanted[name])


def _file(path: str) -> str:
    return Path(path).read_text() if os.path.exists(path) else ""


def _comparable(text: str) -> str:
    """Without what cannot be the same: the address of a variable, which upstream prints for an option of CHECK."""
    text = re.sub(r"(all-multicast mode of \S+ is |Length of \S+ is )[^,]+,", r"\1?,", text)
    # Newer Go names the key, and which version's struct it is depends on the library's.
    return re.sub(r"sysctlCheck\.sysctl\.?\S* of|types(020|040|100)\.", "", text)


if __name__ == "__main__":
    found = compare(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1, *sys.argv[3:4])
    sys.stdout.write("\n".join([*found, f"{len(found)} differences", ""]))
    sys.exit(1 if found else 0)
