"""`podsysctl sysctl origin`: where a value comes from, who won, and who disagrees."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podsysctl.base.errors import KernelError, NameSyntaxError
from podsysctl.cli import sysctl_origin_nodes, sysctl_output, sysctl_target
from podsysctl.cli.machine_files import DATA_DIR
from podsysctl.kernel import procsys, settings
from podsysctl.kernel.settings import Source
from podsysctl.sysctls import catalogue, prefix_rule
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.name import INTERFACE_TOKEN, SysctlName, parse_name, parse_path
from podsysctl.sysctls.value import ValueSpec, values_equal

HELP = """Tell where a value comes from. For the host: the kernel's default, the files of sysctl.d in systemd's order,
/etc/sysctl.conf, TuneD, the profiles of nodes on this machine, and the privileged pods here that wrote it (DaemonSets
that run `sysctl -w`). For a pod: what a fresh namespace starts with, the runtime's default, the pod's
securityContext.sysctls, and the tuning CNI plugin of its networks.

  podsysctl sysctl origin vm.swappiness
  podsysctl sysctl origin net.core.somaxconn --pod default/web"""


@dataclass(frozen=True, slots=True)
class Layer:
    """One party in the order in which they act; `verdict` is "wins", "overridden", "agrees" or "disagrees"."""

    source: Source
    verdict: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A name and where."""
    parser.add_argument("name", metavar="NAME", help="the parameter")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of output")
    parser.add_argument(
        "--data-dir", type=Path, default=DATA_DIR, metavar="DIR", help="where the cluster on this machine has its files"
    )
    sysctl_target.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the layers and the verdict."""
    name = parse_path(args.name)
    reading = sysctl_target.with_own_users(args, [(name, sysctl_target.run(args, lambda: procsys.read(name)))])[0][1]
    if isinstance(reading, KernelError):
        raise reading
    live = reading
    spec = catalogue.spec_of(name)
    is_hosts = _is_hosts(name, args)
    sources = [*_kernel(name, fresh=not is_hosts), *(_of_pod(name, args) if not sysctl_target.is_host(args) else ())]
    if is_hosts:
        from podsysctl.cli import sysctl_origin_pods  # a client, which most questions do not need

        sources += [*settings.of_host(name), *sysctl_origin_nodes.of_profiles(name, args.data_dir)]
        sources += sysctl_origin_pods.of_pods(name, args)
    layers = judge(sources, live, spec)
    by = next((layer.source for layer in layers if layer.verdict == "wins"), None)
    if args.output == "json":
        items = [
            {"kind": x.source.kind, "where": x.source.where, "value": x.source.value, "verdict": x.verdict}
            for x in layers
        ]
        winner = None if by is None else {"kind": by.kind, "where": by.where}
        sysctl_output.write_json({"name": name.dotted, "value": live, "from": winner, "layers": items})
        return 0
    sysctl_output.write(sysctl_output.lines_of(name.dotted, live))
    rows = [(x.source.kind, sysctl_output.one_line(x.source.value), x.verdict, x.source.where) for x in layers]
    if rows:
        sysctl_output.write_table(("WHO", "WANTS", "VERDICT", "WHERE"), rows)
    if by is None:
        computed = "" if any(x.source.kind == "kernel default" for x in layers) else "computed by the kernel, or "
        text = f"nobody known asks for this value: it was {computed}set by hand or by another program since boot"
        sysctl_output.write(text + "\n")
    return 0


def judge(sources: list[Source], live: str, spec: ValueSpec | None) -> list[Layer]:
    """The last party that wants the live value wins; those before are overridden or agree, those after disagree.

    >>> a, b = Source("kernel", "", "1"), Source("sysctl.d", "f:1", "2")
    >>> [layer.verdict for layer in judge([a, b], "2", None)]
    ['overridden', 'wins']
    """
    equal = [values_equal(spec, source.value, live) for source in sources]
    last = max((index for index, same in enumerate(equal) if same), default=-1)
    out = []
    for index, (source, same) in enumerate(zip(sources, equal, strict=True)):
        if index == last:
            verdict = "wins"
        elif same:
            verdict = "agrees"
        else:
            verdict = "overridden" if index < last else "disagrees"
        out.append(Layer(source, verdict))
    return out


def _is_hosts(name: SysctlName, args: argparse.Namespace) -> bool:
    """Is the value that the place shows this host's: the node's, or of a namespace that both share?"""
    row = catalogue.find(name)
    if sysctl_target.is_host(args) or (row is not None and row.namespace is Namespace.NODE):
        return True
    kind = prefix_rule.namespace_of(name) if row is None else row.namespace
    return kind in sysctl_target.shared_with_host(args)


def _kernel(name: SysctlName, *, fresh: bool) -> list[Source]:
    row = catalogue.find(name)
    out = []
    if row is not None and row.default:
        out.append(Source("kernel default", "catalogue", row.default))
    if fresh:
        start = procsys.read_fresh(name)
        if start is not None:
            out.append(Source("fresh namespace", "measured now, includes what the kernel copies from the host", start))
    return out


def _of_pod(name: SysctlName, args: argparse.Namespace) -> list[Source]:
    out = []
    runtime = settings.of_runtime(name)
    if runtime is not None:
        out.append(runtime)
    if not args.pod:
        return out
    pod: Any = sysctl_target.fetch_pod(args)
    for index, item in enumerate((pod.get("spec", {}).get("securityContext") or {}).get("sysctls") or ()):
        if _same(item.get("name", ""), name):
            out.append(Source("pod spec", f"spec.securityContext.sysctls[{index}]", str(item.get("value", ""))))
    return [*out, *_of_tuning(name, args, pod)]


def _of_tuning(name: SysctlName, args: argparse.Namespace, pod: Any) -> list[Source]:
    """What tuning plugins in the pod's additional networks set, for the interface they were run for."""
    annotations = pod.get("metadata", {}).get("annotations") or {}
    status = annotations.get("k8s.v1.cni.cncf.io/network-status") or "[]"
    try:
        attachments = [item for item in json.loads(status) if not item.get("default")]
    except (ValueError, AttributeError, TypeError):
        return []
    out = []
    for attachment in attachments:
        namespace, _, network = str(attachment.get("name", "")).rpartition("/")
        interface = str(attachment.get("interface", ""))
        config = _fetch_network(args, namespace, network)
        for plugin in config.get("plugins", [config]):
            if plugin.get("type") != "tuning":
                continue
            for key, value in (plugin.get("sysctl") or {}).items():
                if _same(str(key).replace(INTERFACE_TOKEN, interface.replace(".", "/")), name):
                    out.append(Source("tuning CNI", f"network {namespace}/{network}, {interface}", str(value)))
    return out


def _fetch_network(args: argparse.Namespace, namespace: str, name: str) -> Any:
    from podsysctl.cli import connect

    found: list[Any] = []
    path = f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace}/network-attachment-definitions/{name}"

    async def body(connection: connect.Connection, _: argparse.Namespace) -> int:
        found.append(await connection.client.request("GET", path))
        return 0

    connect.run(args, body)
    try:
        config = json.loads(found[0].get("spec", {}).get("config") or "{}")
    except (ValueError, AttributeError):
        return {}
    return config if isinstance(config, dict) else {}


def _same(text: str, name: SysctlName) -> bool:
    try:
        return parse_name(text) == name
    except NameSyntaxError:
        return False
