"""Who on this machine says what a parameter should be: sysctl.d in systemd's order, sysctl.conf, TuneD, the runtime.

Reads configuration files only; nothing is applied. Sources: sysctl.d(5), sysctl.conf(5), TuneD (profile merging,
reapply_sysctl), CRI-O (default_sysctls of crio.conf) and containerd (enable_unprivileged_*).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from podsysctl.base.errors import NameSyntaxError
from podsysctl.kernel import tuned_files
from podsysctl.sysctls import sysctl_d
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.sysctl_d import Assignment, Problem
from podsysctl.sysctls.tuned.plan import Guard

DIRECTORIES = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d")
"""In order of precedence: a file hides those of the same name in later directories."""


KUBELET_VALUES = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}
"""What a kubelet sets at its start, or, with protectKernelDefaults, insists on finding.
Source: kubernetes pkg/kubelet/cm/container_manager_linux.go (setupKernelTunables)."""

KUBELET = "kubelet"
KUBELET_FILES = ("var/lib/kubelet/config.yaml", "etc/kubernetes/kubelet.conf")
"""Where a kubelet's configuration lies: kubeadm's place, and OpenShift's."""


@dataclass(frozen=True, slots=True)
class Source:
    """One party's wish for one parameter: who (`sysctl.d`, `TuneD`, ...), where it says so, and what."""

    kind: str
    where: str
    value: str


def sysctl_files(root: Path = Path("/")) -> list[Path]:
    """The files that systemd-sysctl applies, in that order: by file name, the directory of highest rank winning.

    A file that is a link to /dev/null hides its namesakes and holds nothing.
    """
    chosen: dict[str, Path] = {}
    for directory in DIRECTORIES:
        path = root / directory
        if not path.is_dir():
            continue
        for file in sorted(path.glob("*.conf")):
            chosen.setdefault(file.name, file)
    return [chosen[name] for name in sorted(chosen) if chosen[name].is_file()]


def applied_files(root: Path = Path("/")) -> list[Path]:
    """Those files and then /etc/sysctl.conf, unless one of them is a link to it: what `sysctl --system` applies."""
    files = sysctl_files(root)
    conf = root / "etc/sysctl.conf"
    if conf.is_file() and not any(file.resolve() == conf.resolve() for file in files):
        files.append(conf)
    return files


def read_sysctl_files(root: Path = Path("/")) -> tuple[list[Assignment], list[Problem]]:
    """Every assignment of sysctl.d and of /etc/sysctl.conf, in the order of application."""
    files = applied_files(root)
    assignments: list[Assignment] = []
    problems: list[Problem] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            problems.append(Problem(str(file), 0, error.strerror or "cannot be read"))
            continue
        found, wrong = sysctl_d.parse_file(text, str(file))
        assignments += found
        problems += wrong
    return assignments, problems


def reapplied(root: Path = Path("/")) -> dict[SysctlName, Assignment]:
    """What TuneD writes again on top of its own when reapply_sysctl is on: the last assignment of each name.

    Files of /run/sysctl.d and /etc/sysctl.d in the order of their names, /run hiding namesakes, then /etc/sysctl.conf;
    other directories and patterns are not looked at. Names that `reapply_sysctl_exclude` of tuned-main.conf matches are
    left out. Source: TuneD plugins/plugin_sysctl.py.
    """
    chosen: dict[str, Path] = {}
    for directory in ("run/sysctl.d", "etc/sysctl.d"):
        for file in (root / directory).glob("*.conf"):
            chosen.setdefault(file.name, file)
    excluded = _excluded(root)
    out: dict[SysctlName, Assignment] = {}
    for file in [*(chosen[name] for name in sorted(chosen)), root / "etc/sysctl.conf"]:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # absent, a broken link, or not this user's to read: TuneD goes on as well
        for item in sysctl_d.parse_file(text, str(file))[0]:
            if item.name is None or item.value is None:
                continue
            if not any(fnmatchcase(item.name.dotted, pattern) for pattern in excluded):
                out[item.name] = item
    return out


def of_host(name: SysctlName, root: Path = Path("/")) -> list[Source]:
    """Who wants what for a host's parameter, in the order of application: the last one wins.

    A kubelet and TuneD come after the files, except that TuneD applies /run/sysctl.d, /etc/sysctl.d and
    /etc/sysctl.conf again on top of its own (reapply_sysctl, on by default).
    """
    assignments, _ = read_sysctl_files(root)
    deciding = sysctl_d.winner(assignments, name)
    out = []
    for item in assignments:
        if item.matches(name) and item.value is not None and item is not deciding:
            out.append(Source("sysctl.d", f"{item.file}:{item.line}", item.value))
    if deciding is not None and deciding.value is not None:
        out.append(Source("sysctl.d", f"{deciding.file}:{deciding.line}", deciding.value))
    tuned = of_tuned(name, root)
    programs = [source for source in (of_kubelet(name, root), tuned) if source is not None]
    if tuned is None:
        return [*out, *programs]
    again = deciding is not None and not deciding.file.startswith((str(root / "usr"), str(root / "lib")))
    if again and _reapplies(root):
        return [*out[:-1], *programs, out[-1]]
    return [*out, *programs]


def of_tuned(name: SysctlName, root: Path = Path("/")) -> Source | None:
    """What the active TuneD profile, with all it includes, says of a parameter.

    A value that this program would refuse is TuneD's wish all the same.
    """
    plan = tuned_files.plan_of_active(root)
    if plan is None:
        return None
    found: Source | None = None
    for setting in plan.sysctls:
        if setting.name == name:
            when = f", only to {'raise' if setting.guard is Guard.RAISE else 'lower'} it" if setting.guard else ""
            found = Source("TuneD", tuned_files.where(setting.place, root) + when, setting.value)
    for problem in plan.problems:
        if _is_name(problem.place.key, name):
            found = Source("TuneD", tuned_files.where(problem.place, root), problem.value)
    return found


def of_kubelet(name: SysctlName, root: Path = Path("/")) -> Source | None:
    """What a kubelet of this machine sets when it starts, or, with protectKernelDefaults, insists on finding."""
    wanted = KUBELET_VALUES.get(name.dotted)
    file = next((root / path for path in KUBELET_FILES if (root / path).is_file()), None)
    if wanted is None or file is None:
        return None
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # not this user's to read
    protects = re.search(r"^protectKernelDefaults:\s*true\b", text, re.MULTILINE)
    what = "insists on it: protectKernelDefaults" if protects else "sets it when it starts"
    return Source(KUBELET, f"{file} ({what})", wanted)


def of_runtime(name: SysctlName, root: Path = Path("/")) -> Source | None:
    """What the installed container runtime sets in every pod that does not say otherwise."""
    for file in (*sorted((root / "etc/crio/crio.conf.d").glob("*")), root / "etc/crio/crio.conf"):
        for pair in _toml(file).get("crio", {}).get("runtime", {}).get("default_sysctls") or ():
            key, _, value = str(pair).partition("=")
            if _is_name(key, name):
                return Source("CRI-O default", str(file), value)
    file = root / "etc/containerd/config.toml"
    switches = {
        "net.ipv4.ip_unprivileged_port_start": ("enable_unprivileged_ports", "0"),
        "net.ipv4.ping_group_range": ("enable_unprivileged_icmp", "0 2147483647"),
    }
    if name.dotted in switches:
        key, value = switches[name.dotted]
        if _any_true(_toml(file).get("plugins", {}), key):
            return Source("containerd", f"{file} ({key})", value)
    return None


def _reapplies(root: Path) -> bool:
    file = root / "etc/tuned/tuned-main.conf"
    if not file.is_file():
        return True
    text = file.read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"^\s*reapply_sysctl\s*=\s*(\S+)", text, re.MULTILINE)
    return not found or found[-1].lower() in ("1", "true", "yes", "y")


def _excluded(root: Path) -> list[str]:
    file = root / "etc/tuned/tuned-main.conf"
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"^\s*reapply_sysctl_exclude\s*=\s*(.*)$", text, re.MULTILINE)
    return [pattern for pattern in re.split(r"[,;\s]+", found[-1].strip()) if pattern] if found else []


def _is_name(text: str, name: SysctlName) -> bool:
    try:
        return parse_name(text.strip()) == name
    except NameSyntaxError:
        return False


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # absent, or not this user's to read: then nobody says anything here


def _any_true(tree: Any, key: str) -> bool:
    if not isinstance(tree, dict):
        return False
    return tree.get(key) is True or any(_any_true(value, key) for value in tree.values())
