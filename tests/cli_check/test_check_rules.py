"""Every rule of `podsysctl check`: what it finds and where, what it leaves alone, what it repairs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml

from podsysctl.base.versions import KernelVersion
from podsysctl.cli.check_files import read
from podsysctl.policy.lint import edits, engine
from podsysctl.policy.lint.context import Target
from podsysctl.policy.lint.finding import Finding
from podsysctl.policy.lint.rules import RULES
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts

TOP = Path(__file__).resolve().parents[2]

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: demo
spec:
  {fields}
  securityContext:
    sysctls:
{sysctls}
  containers:
  - name: c
    image: i
"""


def pod(*pairs: tuple[str, str], fields: str = "restartPolicy: Always") -> str:
    """A Pod whose sysctls start at line 10; values are YAML as given."""
    lines = "\n".join(f"    - name: {name}\n      value: {value}" for name, value in pairs)
    return POD.format(fields=fields, sysctls=lines)


def kubelet_config(*patterns: str, name: str = "a", labels: str = "x: worker", extra: str = "") -> str:
    """A KubeletConfig whose list starts at line 11."""
    listed = "\n".join(f'    - "{pattern}"' for pattern in patterns)
    return (
        "apiVersion: machineconfiguration.openshift.io/v1\nkind: KubeletConfig\nmetadata:\n"
        f"  name: {name}\nspec:\n  machineConfigPoolSelector:\n    matchLabels:\n      {labels}\n"
        f"  kubeletConfig:\n{extra}    allowedUnsafeSysctls:\n{listed}\n"
    )


def tuned(name: str, data: str, recommend: str = "", priority: int = 20) -> str:
    """A Tuned object whose profile text starts at line 9."""
    body = textwrap.indent(textwrap.dedent(data), "      ")
    return (
        f"apiVersion: tuned.openshift.io/v1\nkind: Tuned\nmetadata:\n  name: {name}\nspec:\n  profile:\n"
        f"  - name: {name}\n    data: |\n{body}"
        f"  recommend:\n  - profile: {recommend or name}\n    priority: {priority}\n"
    )


def attachment(config: str) -> str:
    """A NetworkAttachmentDefinition with this configuration from line 7 on."""
    return (
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: n\nspec:\n"
        f"  config: |\n{textwrap.indent(config, '    ')}\n"
    )


def annotated_pod(annotation: str) -> str:
    """A pod with this annotation in line 6."""
    return (
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations:\n"
        f"    {annotation}\nspec:\n  containers: [{{name: c, image: i}}]\n"
    )


def scc(fields: str) -> str:
    """A constraint with valid strategies and these fields from line 7 on."""
    return (
        "apiVersion: security.openshift.io/v1\nkind: SecurityContextConstraints\nmetadata:\n  name: s\n"
        "runAsUser: {type: RunAsAny}\nseLinuxContext: {type: RunAsAny}\n" + fields
    )


COMPOSE = "services:\n  web:\n    image: i\n    {extra}\n    sysctls:\n      {entry}\n"
NAMESPACE = (
    "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: demo\n  labels:\n"
    "    pod-security.kubernetes.io/enforce: {level}\n"
)
TUNING = '{{"cniVersion": "0.4.0", "name": "n", "plugins": [{first}{{"type": "tuning", "sysctl": {{{sysctl}}}}}]}}'
BRIDGE = '{"type": "bridge"},'
ACCEPT = '"net.ipv4.conf.IFNAME.accept_redirects": "1"'
INIT = """\
apiVersion: v1
kind: Pod
metadata:
  name: db
spec:
  initContainers:
  - name: tune
    image: busybox
    command: {command}
    securityContext:
      privileged: true
  containers:
  - name: c
    image: i
"""
ELASTICSEARCH = """\
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata:
  name: quick
spec:
  nodeSets:
  - name: default
    podTemplate:
      spec:
        containers: []
        initContainers:
        - name: sysctl
          securityContext: {privileged: true}
          command: [sh, -c, sysctl -w vm.max_map_count=262144]
"""
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: web
spec:
  template:
    spec:
      securityContext:
        sysctls:
        - name: vm.swappiness
          value: "1"
"""
TEMPLATE = """\
apiVersion: template.openshift.io/v1
kind: Template
metadata:
  name: t
objects:
- apiVersion: v1
  kind: Pod
  metadata:
    name: ${NAME}
  spec:
    securityContext:
      sysctls:
        - name: vm.swappiness
          value: ${VALUE}
"""
DATABASE = """\
---
apiVersion: tuned.openshift.io/v1
kind: Tuned
metadata:
  name: database
spec:
  profile:
  - name: db-sysctls
    data: |
      [sysctl]
      vm.max_map_count=262144
  recommend:
  - profile: db-sysctls
    priority: 20
    match:
    - {{label: {label}}}
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
spec:
  template:
    spec:
      {fields}
      containers:
      - name: c
        image: {image}
"""
POOL = (
    "---\napiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata:\n  name: worker\n"
    "  labels:\n    x: {value}\n"
)
DEFAULTS = (
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfeatureGates:\n  DefaultPodSysctls: true\n"
)
SOMAXCONN = ("net.core.somaxconn", '"1024"')
SHM = ("kernel.shm_rmid_forced", '"1"')

NEW = Target(36, KernelVersion(6, 1))
FACTS = KernelFacts(
    "6.1.0",
    {
        "net.core.wmem_max": Fact("net.core.wmem_max", Namespace.NODE, InPod.READ_ONLY, Access.READ_WRITE),
        "net.core.own_module": Fact("net.core.own_module", Namespace.NET, InPod.OWN, Access.READ_WRITE),
    },
)
MEASURED = Target(36, KernelVersion(6, 1), FACTS)

Files = dict[str, str]
Case = tuple[str, Files, str, Target]
"""Rule, files, `file:line:column: part of the message`, target."""


def one(text: str) -> Files:
    """A single YAML file."""
    return {"m.yaml": text}


def workload(
    fields: str = "restartPolicy: Always", *, name: str = "web", image: str = "i", kind: str = "StatefulSet",
    label: str = "disk, value: ssd",
) -> Files:  # fmt: skip
    """A workload whose pod spec starts at line 8, and a Tuned for nodes with a label."""
    return one(WORKLOAD.format(kind=kind, name=name, fields=fields, image=image) + DATABASE.format(label=label))


ES = "registry.example/elastic/elasticsearch:8.1@sha256:0"
ASKS = 'securityContext: {sysctls: [{name: vm.max_map_count, value: "262144"}]}'
SETS = (
    "initContainers: [{name: s, command: [sysctl, -w, vm.max_map_count=262144], securityContext: {privileged: true}}]"
)
CHOSEN = "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [%s]}}}"
SSD = "{matchExpressions: [{key: disk, operator: In, values: [ssd]}]}"
HDD = "{matchExpressions: [{key: disk, operator: In, values: [ssd, hdd]}]}"
TOLERATES = "tolerations: [{key: sysctl-profile, operator: Equal, value: a, effect: NoSchedule}]"
NOT_PLACED: list[tuple[Files, str]] = [
    (workload(ASKS), "it needs vm.max_map_count; Tuned database gives it to nodes with disk=ssd"),
    (workload(SETS), "it needs vm.max_map_count"),
    (workload(image=ES), "elasticsearch needs vm.max_map_count"),
    (workload(name="db"), "profile db-sysctls is for it"),
    (workload("nodeSelector: {disk: hdd}", name="db"), "profile db-sysctls is for it"),
    (workload(CHOSEN % f"{SSD}, {HDD}", name="db"), "profile db-sysctls is for it"),
    (workload(name="db", label="disk"), "gives it to nodes with disk, and the pod may run elsewhere"),
    (workload(TOLERATES), "it tolerates the taint sysctl-profile=a and does not choose its nodes"),
    (workload("nodeSelector: {sysctl-profile: a}"), "it chooses nodes with sysctl-profile=a and does not tolerate"),
]
PLACED: list[Files] = [
    workload(),
    workload("nodeSelector: {disk: ssd}", name="db", image=ES),
    workload(CHOSEN % SSD, name="db"),
    workload("nodeSelector: {disk: any}", name="db", label="disk"),
    workload(SETS, kind="DaemonSet"),
    workload(ASKS, label="node-role.kubernetes.io/worker"),
    workload(f"nodeSelector: {{sysctl-profile: a}}\n      {TOLERATES}"),
    workload("nodeSelector: {sysctl-profile: a}\n      tolerations: [{operator: Exists}]"),
    one(WORKLOAD.format(kind="StatefulSet", name="db", fields="restartPolicy: Always", image=ES)),
]

BAD: list[Case] = [
    ("PSC001", one(pod(("Net.core.somaxconn", '"1"'))), "m.yaml:10:13: must have at most 253 characters", NEW),
    ("PSC001", one(pod(("''", '"1"'))), "m.yaml:10:13: sysctl name ''", NEW),
    ("PSC001", {"sysctl.d/a.conf": "kernel..sem = 1\n"}, "sysctl.d/a.conf:1:1: is no path", NEW),
    ("PSC002", one(pod(SHM, SHM)), "m.yaml:12:13: is set before at line 10", NEW),
    (
        "PSC002",
        one(pod(("kernel.sem", "'1 2 3 4'"), ("kernel/sem", "'1 2 3 5'"))),
        "m.yaml:12:13: later value wins",
        NEW,
    ),
    ("PSC003", one(pod(("kernel.shm_rmid_forced", "1"))), "m.yaml:11:14: is a number", NEW),
    ("PSC003", one(pod(("kernel.shm_rmid_forced", "true"))), "m.yaml:11:14: is a boolean", NEW),
    ("PSC003", one(pod(("kernel.shm_rmid_forced", "[1]"))), "m.yaml:11:14: is a structure", NEW),
    ("PSC004", one(pod(SOMAXCONN, fields="hostNetwork: true")), "m.yaml:10:13: when 'hostNetwork' is true", NEW),
    ("PSC004", one(pod(SHM, fields="hostIPC: true")), "m.yaml:10:13: when 'hostIPC' is true", NEW),
    (
        "PSC004",
        one(COMPOSE.format(extra="network_mode: host", entry="net.core.somaxconn: 1")),
        "m.yaml:6:7: cannot be set with the host's network",
        NEW,
    ),
    ("PSC005", one(pod(("vm.max_map_count", '"262144"'))), "m.yaml:10:13: one value for the whole node", NEW),
    ("PSC005", one(pod(("kernel.shm_next_id", '"1"'))), "m.yaml:10:13: no kubelet starts this pod", NEW),
    ("PSC005", one(ROLLOUT), "m.yaml:10:17: one value for the whole node", NEW),
    ("PSC005", one(TEMPLATE), "m.yaml:13:17: one value for the whole node", NEW),
    ("PSC006", one(pod(SOMAXCONN)), "m.yaml:10:13: is unsafe for Kubernetes 1.36", NEW),
    (
        "PSC006",
        one(pod(("net.ipv4.tcp_rmem", "'1 2 3'"))),
        "m.yaml:10:13: safe since 1.32",
        Target(31, KernelVersion(6, 1)),
    ),
    (
        "PSC006",
        one(pod(("net.ipv4.tcp_rmem", "'1 2 3'"))),
        "m.yaml:10:13: safe since kernel 4.15",
        Target(36, KernelVersion(4, 14)),
    ),
    ("PSC007", one(pod(("net.core.netdev_max_backlog", '"1"'))), "m.yaml:10:13: although its prefix", NEW),
    ("PSC007", one(pod(("net.core.wmem_max", '"1"'))), "m.yaml:10:13: read-only in pods on Linux 6.1.0", MEASURED),
    ("PSC008", one(pod(("net.ipv4.ip_local_port_range", '"abc"'))), "m.yaml:11:14: 'abc' is not a number", NEW),
    ("PSC008", {"sysctl.d/a.conf": "vm.swappiness = 999\n"}, "sysctl.d/a.conf:1:17: 999 is above 200", NEW),
    ("PSC009", one(pod(("net.core.somaxcon", '"1"'))), "m.yaml:10:13: nobody knows net.core.somaxcon", NEW),
    ("PSC010", one(pod(("kernel/shm_rmid_forced", '"1"'))), "m.yaml:10:13: write kernel.shm_rmid_forced", NEW),
    ("PSC011", one(pod(("net.ipv4.conf.eth0.100.rp_filter", '"1"'))), "m.yaml:10:13: taken apart at the dot", NEW),
    ("PSC011", one(pod(("net.ipv4.conf.eth0/100.rp_filter", '"1"'))), "m.yaml:10:13: no runtime can open", NEW),
    ("PSC012", one(pod(("net.ipv4.conf.net1.rp_filter", '"1"'))), "m.yaml:10:13: interface net1 may not exist", NEW),
    (
        "PSC013",
        one(INIT.format(command="[sysctl, -w, vm.max_map_count=262144]")),
        "m.yaml:7:5: init container tune",
        NEW,
    ),
    (
        "PSC013",
        one(INIT.format(command="[sh, -c, 'WANT=5; if [ $WANT -gt 1 ]; then sysctl -w vm.swappiness=$WANT; fi']")),
        "m.yaml:7:5: is privileged to set vm.swappiness",
        NEW,
    ),
    (
        "PSC013",
        one(INIT.format(command="[sh, -c, 'echo 1 | tee /proc/sys/net/ipv4/ip_forward > /dev/null']")),
        "m.yaml:7:5: is privileged to set net.ipv4.ip_forward",
        NEW,
    ),
    (
        "PSC013",
        one(ELASTICSEARCH),
        "m.yaml:12:11: Elasticsearch quick: init container sysctl is privileged to set vm.max_map_count",
        NEW,
    ),
    (
        "PSC014",
        one("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: c\n    securityContext:\n      sysctls: []\n"),
        "m.yaml:7:16: which only a pod can have",
        NEW,
    ),
    ("PSC015", one(pod(("net.ipv4.tcp_tw_recycle", '"1"'))), "m.yaml:10:13: was removed in Linux 4.12", NEW),
    ("PSC016", one(pod(SOMAXCONN) + NAMESPACE.format(level="baseline")), "m.yaml:1:1: violates PodSecurity", NEW),
    ("PSC016", one(NAMESPACE.format(level="high")), "m.yaml:7:5: must be one of privileged", NEW),
    (
        "PSC017",
        one(pod(("net.ipv4.ip_local_port_range", '"1024 65535"'), ("net.ipv4.ip_unprivileged_port_start", '"2000"'))),
        "m.yaml:10:13: local ports begin at 1024, below the first unprivileged port 2000",
        NEW,
    ),
    ("PSC017", one(pod(("net.ipv4.ip_local_port_range", '"80 90"'))), "m.yaml:10:13: begin at 80, below", NEW),
    *(("PSC019", case, f"m.yaml:8:7: {part}", NEW) for case, part in NOT_PLACED),
    ("PSC018", one(pod(("kernel.shm_rmid_forced", '"1+kernel.core_pattern=x"'))), "m.yaml:11:14: holds '+', '='", NEW),
    ("PSC101", one(kubelet_config("kernel.*")), 'm.yaml:11:7: the sysctls "kernel." are not known', NEW),
    (
        "PSC101",
        one("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nallowedUnsafeSysctls: ['net*']\n"),
        'm.yaml:3:24: the sysctls "net"',
        NEW,
    ),
    ("PSC102", one(kubelet_config("net.*")), "m.yaml:11:7: allows dozens of sysctls", NEW),
    (
        "PSC103",
        one(kubelet_config("kernel.sem") + "---\n" + kubelet_config("kernel.msgmax", name="b")),
        "m.yaml:11:5: kernel.sem are lost, the list of b replaces this one (pools with x=worker)",
        NEW,
    ),
    (
        "PSC103",
        {
            "overlays/live/a.yaml": kubelet_config("kernel.sem"),
            "overlays/live/below/b.yaml": kubelet_config("kernel.msgmax", name="b"),
        },
        "overlays/live/a.yaml:11:5: kernel.sem are lost",
        NEW,
    ),
    (
        "PSC103",
        {
            "kubelet.conf.d/10-a.conf": DEFAULTS + "allowedUnsafeSysctls: [kernel.sem]\n",
            "kubelet.conf.d/20-b.conf": DEFAULTS + "allowedUnsafeSysctls: [kernel.msgmax]\n",
        },
        "kubelet.conf.d/10-a.conf:5:23: the list of 20-b.conf replaces this one",
        NEW,
    ),
    ("PSC104", one(kubelet_config("kernel.sem", "kernel.shm_rmid_forced")), "m.yaml:12:7: is safe already", NEW),
    ("PSC104", one(kubelet_config("kernel.msg*", "kernel.msgmax")), "m.yaml:12:7: is covered by kernel.msg*", NEW),
    (
        "PSC105",
        one(kubelet_config("a").replace('\n    - "a"', " net.core.somaxconn")),
        "m.yaml:10:27: a list of strings",
        NEW,
    ),
    (
        "PSC105",
        one(kubelet_config("kernel.sem", extra="    cgroupDriver: systemd\n")),
        "m.yaml:10:19: cgroupDriver is not allowed",
        NEW,
    ),
    ("PSC105", one(kubelet_config("kernel.sem") + "    - 5\n"), "m.yaml:12:7: a list of strings", NEW),
    (
        "PSC106",
        one(
            kubelet_config("kernel.sem").replace(
                "  machineConfigPoolSelector:\n    matchLabels:\n      x: worker\n", ""
            )
        ),
        "m.yaml:6:3: no pool is selected",
        NEW,
    ),
    (
        "PSC106",
        one(kubelet_config("kernel.sem") + POOL.format(value="z")),
        "m.yaml:7:5: no MachineConfigPool among",
        NEW,
    ),
    (
        "PSC107",
        one(DEFAULTS + "defaultPodSysctls:\n  vm.swappiness: '1'\n"),
        "m.yaml:6:18: not known to be namespaced",
        Target(37),
    ),
    (
        "PSC107",
        one(DEFAULTS + "defaultPodSysctls:\n  net.core.somaxconn: '1'\n"),
        "m.yaml:6:3: ignored before Kubernetes 1.37",
        NEW,
    ),
    (
        "PSC107",
        one(DEFAULTS + "defaultPodSysctls:\n  net.core.somaxconn: 'x'\n"),
        "m.yaml:6:23: is not a number",
        Target(37),
    ),
    (
        "PSC107",
        one(DEFAULTS + "defaultPodSysctls:\n  net.core.somaxconn: 1\n"),
        "m.yaml:6:23: is not a string",
        Target(37),
    ),
    (
        "PSC107",
        one(DEFAULTS + "defaultPodSysctls:\n  net.core.netdev_max_backlog: '1'\n"),
        "m.yaml:6:32: no pod of it could start",
        Target(37),
    ),
    (
        "PSC201",
        one(scc("allowedUnsafeSysctls:\n- kernel/msg*\n")),
        "m.yaml:8:3: allowedUnsafeSysctls[0]: Invalid value",
        NEW,
    ),
    ("PSC201", one(scc("volumes: all\n")), "m.yaml:7:10: volumes has the wrong type", NEW),
    ("PSC202", one(scc("allowedUnsafeSysctls: ['*']\n")), "m.yaml:7:23: every unsafe sysctl is allowed", NEW),
    ("PSC301", one(tuned("t", "[sysctl]\nvm.swappiness 10\n")), "m.yaml:10:7: is neither a [section]", NEW),
    ("PSC301", one(tuned("t", "vm.swappiness=10\n")), "m.yaml:9:7: stands before the first [section]", NEW),
    (
        "PSC301",
        one(tuned("t", "[sysctl]\nnet.ipv6.neigh.eth0.retrans_time=10\n")),
        "m.yaml:10:7: deprecated option",
        NEW,
    ),
    (
        "PSC302",
        one(tuned("t", "[sysctl]\nvm.swappiness=10\n", recommend="other")),
        "m.yaml:12:14: nobody defines the profile other",
        NEW,
    ),
    (
        "PSC303",
        one(tuned("t", "[sysctl]\nnet.core.somaxconn=10\n")),
        "m.yaml:10:7: pods keep their own net.core.somaxconn",
        NEW,
    ),
    (
        "PSC304",
        one(tuned("t", "[sysctl]\nvm.swappiness=10\n") + "---\n" + tuned("t", "[sysctl]\nvm.swappiness=11\n")),
        "m.yaml:21:11: other content",
        NEW,
    ),
    (
        "PSC304",
        one(tuned("t", "[sysctl]\nvm.swappiness=10\n") + "---\n" + tuned("u", "[sysctl]\nvm.swappiness=11\n")),
        "m.yaml:27:15: priority 20 is also that of t",
        NEW,
    ),
    ("PSC305", one(tuned("t", "[main]\ninclude=nowhere\n")), "m.yaml:7:11: Cannot find profile 'nowhere'", NEW),
    ("PSC305", one(tuned("t", "[sysctl]\nvm.swappiness=${x}\n")), "m.yaml:10:7: variable ${x} is not defined", NEW),
    ("PSC305", one(tuned("t", "[sysctl]\nnet.ipv4.tcp_rmem=>5\n")), "m.yaml:10:7: > compares one number", NEW),
    ("PSC305", one(tuned("t", "[sysctl]\nnet.ipv4.ip_forward=0\n")), "m.yaml:10:7: would break pod networking", NEW),
    ("PSC305", one(tuned("t", "[requirements]\nvm.swappiness=5\n")), "m.yaml:10:7: is no requirement", NEW),
    ("PSC305", one(tuned("t", "[sysfs]\n/sys/power/state=mem\n")), "m.yaml:10:7: changes the power state", NEW),
    (
        "PSC305",
        one(
            tuned("a", "[sysctl]\nvm.swappiness=${x}\n", recommend="b")
            + "---\n"
            + tuned("b", "[main]\ninclude=a\n", recommend="b")
        ),
        "m.yaml:10:7: variable ${x} is not defined",
        NEW,
    ),
    ("PSC401", one(attachment("{")), "m.yaml:6:11: spec.config is not JSON", NEW),
    (
        "PSC401",
        one(attachment(TUNING.format(first=BRIDGE, sysctl='"a": 1'))),
        "m.yaml:6:11: cannot unmarshal number",
        NEW,
    ),
    ("PSC401", one(attachment(TUNING.format(first="", sysctl=ACCEPT))), "m.yaml:6:11: tuning stands first", NEW),
    ("PSC401", one(attachment('{"type": "tuning", "SysCtl": {}}')), 'm.yaml:6:11: must be spelled "sysctl"', NEW),
    (
        "PSC401",
        one(attachment('{"type": "bridge", "ipam": {"type": "tuning"}}')),
        "m.yaml:6:11: run by another one through ipam",
        NEW,
    ),
    *(
        ("PSC401", one(annotated_pod(annotation)), f"m.yaml:6:{5 + annotation.index(': ') + 2}: {words}", NEW)
        for annotation, words in (
            ("podsysctl.dev/interface-sysctls: '{'", "is not JSON"),
            ("podsysctl.dev/interface-sysctls: '{\"all\": {}}'", "'all' is the name of no interface"),
            ("k8s.v1.cni.cncf.io/networks: a@default", "'default' is the name of no interface"),
            ("k8s.v1.cni.cncf.io/networks: a/b/c", "Invalid network object"),
        )
    ),
    (
        "PSC402",
        one(attachment(TUNING.format(first=BRIDGE, sysctl='"kernel.sem": "1"'))),
        "m.yaml:7:103: invalid net sysctl key",
        NEW,
    ),
    (
        "PSC402",
        one(attachment(TUNING.format(first=BRIDGE, sysctl='"net.ipv4.conf.net1.accept_redirects": "1"'))),
        "m.yaml:7:103: names interface net1",
        NEW,
    ),
    (
        "PSC402",
        one(attachment(TUNING.format(first=BRIDGE, sysctl='"net.ipv4.conf.IFNAME.forwarding": "1"'))),
        "m.yaml:7:103: not on OpenShift's default",
        NEW,
    ),
    (
        "PSC402",
        one(attachment(TUNING.format(first=BRIDGE, sysctl='"net.core.somaxconn": "1"'))),
        "m.yaml:7:103: is set for the whole pod",
        NEW,
    ),
    (
        "PSC501",
        one(COMPOSE.format(extra="restart: always", entry="- vm.swappiness=1")),
        "m.yaml:6:9: not in a separate kernel namespace",
        NEW,
    ),
    (
        "PSC501",
        {"web.container": "[Container]\nImage=i\nSysctl=vm.swappiness=1\n"},
        "web.container:3:8: not in a separate",
        NEW,
    ),
    ("PSC601", {"sysctl.d/a.conf": "vm.swappiness 1\n"}, "sysctl.d/a.conf:1:1: is no assignment", NEW),
    (
        "PSC601",
        {"web.container": "[Container]\nSysctl=net.core.somaxconn\n"},
        "web.container:2:8: is not name=value",
        NEW,
    ),
    (
        "PSC601",
        {"web.container.d/ports.conf": "[Container]\nSysctl=net.ipv4.ip_local_port_range=1024 65000\n"},
        "web.container.d/ports.conf:2:42: '65000' is not name=value",
        NEW,
    ),
    (
        "PSC602",
        {"sysctl.d/10.conf": "vm.swappiness=1\n", "sysctl.d/20.conf": "vm.swappiness = 2\n"},
        "sysctl.d/10.conf:1:1: has no effect",
        NEW,
    ),
    (
        "PSC602",
        {"r/usr/lib/sysctl.d/10.conf": "vm.swappiness=1\n", "r/etc/sysctl.conf": "vm.swappiness = 2\n"},
        "r/usr/lib/sysctl.d/10.conf:1:1: has no effect",
        NEW,
    ),
    ("PSC901", one("a: [\n"), "m.yaml:2:1: yaml", NEW),
    ("PSC902", one("a: {{ .Values.x }}\n{{ if }}\n"), "m.yaml:3:1: template that is not rendered", NEW),
]

GOOD: list[tuple[str, Files, Target]] = [
    ("PSC001", one(pod(("net.ipv4.conf.enp3s0/200.forwarding", '"1"'))), NEW),
    ("PSC002", one(pod(SHM, SOMAXCONN)), NEW),
    ("PSC003", one(pod(SHM)), NEW),
    ("PSC004", one(pod(SHM, fields="hostNetwork: true")), NEW),
    ("PSC005", one(pod(SHM)), NEW),
    ("PSC006", one(pod(("net.ipv4.tcp_rmem", "'1 2 3'"))), NEW),
    ("PSC006", one(pod(SOMAXCONN) + "---\n" + kubelet_config("net.core.*")), NEW),
    ("PSC006", one(pod(SOMAXCONN, fields="hostNetwork: true")), NEW),
    ("PSC006", one(pod(("kernel.msgmax", '"1"'), fields="hostIPC: true")), NEW),
    ("PSC006", one(pod(("Net.core.somaxconn", '"1"'))), NEW),
    ("PSC006", one(pod(("net.ipv4.tcp_notsent_lowat", '"1"'))), Target(37)),
    ("PSC007", one(pod(SOMAXCONN)), NEW),
    ("PSC008", one(pod(("net.ipv4.ip_local_port_range", '"32768 60999"'))), NEW),
    ("PSC009", one(pod(("net.core.own_module", '"1"'))), MEASURED),
    ("PSC010", one(pod(SHM)), NEW),
    ("PSC011", one(pod(("net.ipv4.conf.eth0.rp_filter", '"1"'))), NEW),
    ("PSC012", one(pod(("net.ipv4.conf.all.rp_filter", '"1"'))), NEW),
    ("PSC013", one(INIT.format(command="[sh, -c, 'chown -R 1000 /data']")), NEW),
    ("PSC014", one(pod(SHM)), NEW),
    ("PSC015", one(pod(SHM)), NEW),
    ("PSC016", one(pod(SHM) + NAMESPACE.format(level="baseline")), NEW),
    ("PSC017", one(pod(("net.ipv4.ip_local_port_range", '"1024 65535"'))), NEW),
    ("PSC018", one(pod(SHM)), NEW),
    *(("PSC019", case, NEW) for case in PLACED),
    ("PSC101", one(kubelet_config("kernel.msg*", "net.core.somaxconn")), NEW),
    ("PSC102", one(kubelet_config("kernel.msg*")), NEW),
    (
        "PSC103",
        one(kubelet_config("kernel.sem") + "---\n" + kubelet_config("kernel.sem", name="b", labels="z: z")),
        NEW,
    ),
    (
        "PSC103",
        {
            "overlays/test/kubelet.yaml": kubelet_config("kernel.sem"),
            "overlays/live/kubelet.yaml": kubelet_config("kernel.msgmax", name="b"),
        },
        NEW,
    ),
    ("PSC104", one(kubelet_config("kernel.sem", "kernel.msg*")), NEW),
    ("PSC105", one(kubelet_config("kernel.sem", extra="    maxPods: 500\n")), NEW),
    ("PSC106", one(kubelet_config("kernel.sem") + POOL.format(value="worker")), NEW),
    ("PSC107", one(DEFAULTS + "defaultPodSysctls:\n  net.core.somaxconn: '1'\n"), Target(37)),
    ("PSC201", one(scc("allowedUnsafeSysctls: ['kernel.msg*']\n")), NEW),
    ("PSC202", one(scc("allowedUnsafeSysctls: ['kernel.msg*']\n")), NEW),
    ("PSC301", one(tuned("t", "# text\n[main]\ninclude=openshift-node\n[sysctl]\nvm.swappiness=10\n")), NEW),
    ("PSC302", one(tuned("t", "[sysctl]\nvm.swappiness=10\n", recommend="openshift-node")), NEW),
    ("PSC303", one(tuned("t", "[sysctl]\nvm.swappiness=10\n")), NEW),
    ("PSC303", one(tuned("t", "[sysctl]\nnet.ipv4.ip_forward=0\n")), NEW),  # PSC305 has more to say of it
    ("PSC304", one(tuned("t", "[main]\n") + "---\n" + tuned("u", "[main]\n", priority=21)), NEW),
    (
        "PSC304",
        {
            "clusters/a/t.yaml": tuned("t", "[sysctl]\nvm.swappiness=10\n"),
            "clusters/b/t.yaml": tuned("t", "[sysctl]\nvm.swappiness=11\n"),
        },
        NEW,
    ),
    ("PSC305", one(tuned("t", "[main]\ninclude=realtime,-none\n[sysctl]\nvm.swappiness=>5\n")), NEW),
    (
        "PSC305",
        one(
            tuned("a", "[sysctl]\nvm.swappiness=${x}\n", recommend="b")
            + "---\n"
            + tuned("b", "[main]\ninclude=a\n[variables]\nx=5\n", recommend="b")
        ),
        NEW,
    ),
    ("PSC401", one(attachment(TUNING.format(first=BRIDGE, sysctl=ACCEPT))), NEW),
    ("PSC401", one(annotated_pod("k8s.v1.cni.cncf.io/networks: a@net5,b")), NEW),
    ("PSC401", one(annotated_pod("podsysctl.dev/interface-sysctls: ''")), NEW),
    ("PSC402", one(attachment(TUNING.format(first=BRIDGE, sysctl=ACCEPT))), NEW),
    ("PSC501", one(COMPOSE.format(extra="restart: always", entry="net.core.somaxconn: 1024")), NEW),
    ("PSC601", {"sysctl.d/a.conf": "# text\n-kernel.sem\n-vm.swappiness = 1\n"}, NEW),
    ("PSC602", {"sysctl.d/10.conf": "kernel.sem=1 2 3 4\n", "sysctl.d/20.conf": "kernel/sem = 1\t2 3 4\n"}, NEW),
    (
        "PSC602",
        {"roles/a/etc/sysctl.d/1.conf": "vm.swappiness=1\n", "roles/b/etc/sysctl.d/2.conf": "vm.swappiness=2\n"},
        NEW,
    ),
    ("PSC901", one("a: 1\n"), NEW),
    ("PSC902", one("a: '{{ x }}'\n"), NEW),
]


def findings(directory: Path, files: Files, target: Target = NEW) -> list[Finding]:
    """Run every rule over files written into a directory; file names are relative to it."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = engine.run(read([str(directory)]), RULES, target)
    return [
        Finding(
            f.rule,
            f.severity,
            str(Path(f.file).relative_to(directory)),
            f.position,
            f.message,
            f.subject,
            f.hint,
            f.edits,
        )
        for f in found
    ]


@pytest.mark.parametrize(("rule", "files", "expected", "target"), BAD)
def test_rule_finds_mistake_at_its_place(
    tmp_path: Path, rule: str, files: Files, expected: str, target: Target
) -> None:
    """The finding names file, line and column."""
    where, _, part = expected.partition(": ")
    found = [f for f in findings(tmp_path, files, target) if f.rule == rule]
    places = [f"{f.file}:{f.position.line}:{f.position.column}" for f in found]
    assert where in places, [(p, f.message) for p, f in zip(places, found, strict=True)]
    assert any(part in f.message for f in found), [f.message for f in found]


@pytest.mark.parametrize(("rule", "files", "target"), GOOD)
def test_rule_leaves_correct_files_alone(tmp_path: Path, rule: str, files: Files, target: Target) -> None:
    """No finding of the rule."""
    assert [f.message for f in findings(tmp_path, files, target) if f.rule == rule] == []


def test_every_rule_has_cases_both_ways() -> None:
    """A rule without a case is not tested; identifiers are unique and in order."""
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))
    assert {case[0] for case in BAD} == set(ids)
    assert {case[0] for case in GOOD} == set(ids)


def test_every_rule_file_is_registered() -> None:
    """The registry and the directory say the same."""
    directory = TOP / "src" / "podsysctl" / "policy" / "lint" / "rules"
    assert len(RULES) == len([p for p in directory.glob("*.py") if p.name != "__init__.py"])
    assert len({rule.name for rule in RULES}) == len(RULES)


# Repairs


def repaired(directory: Path, text: str) -> str:
    """The text after all repairs, which must leave nothing repairable."""
    for _ in range(5):
        found = [f for f in findings(directory, one(text)) if f.edits]
        if not found:
            return text
        text, made = edits.apply(text, [f.edits for f in found])
        assert made
    raise AssertionError("repairs never end")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pod(("kernel/shm_rmid_forced", '"1"')), pod(SHM)),
        (pod(("kernel.shm_rmid_forced", "1")), pod(SHM)),
        (pod(("kernel.shm_rmid_forced", "yes")), pod(SHM)),
        (pod(("Kernel.Shm_rmid_forced", '"1"')), pod(SHM)),
        (pod(SHM, SHM), pod(SHM)),
        (pod(SHM, SOMAXCONN, fields="hostNetwork: true"), pod(SHM, fields="hostNetwork: true")),
        (
            pod(SOMAXCONN, fields="hostNetwork: true"),
            pod(SOMAXCONN, fields="hostNetwork: true").replace(
                "  securityContext:\n    sysctls:\n    - name: net.core.somaxconn\n      value: \"1024\"\n", ""
            ),
        ),
        (kubelet_config("kernel.sem", "kernel.shm_rmid_forced"), kubelet_config("kernel.sem")),
    ],
)  # fmt: skip
def test_fix_changes_only_what_is_wrong(tmp_path: Path, before: str, after: str) -> None:
    """The rest of the text stays, comments and order included."""
    comment = "# a comment that stays\n"
    assert repaired(tmp_path, comment + before) == comment + after


def test_fix_moves_init_containers_sysctls_into_the_pod_and_a_tuned(tmp_path: Path) -> None:
    """Namespaced values go into the pod, node-level ones into a Tuned object at the end of the file."""
    writes = "sysctl -w vm.max_map_count=262144 && sysctl -w net.core.somaxconn=4096"
    script = f"{writes}; echo 1 > /proc/sys/kernel/shm_rmid_forced"
    text = repaired(tmp_path, INIT.format(command=f'["sh", "-c", "{script}"]'))
    target, profile = yaml.safe_load_all(text)
    assert "initContainers" not in target["spec"]
    assert target["spec"]["securityContext"]["sysctls"] == [
        {"name": "net.core.somaxconn", "value": "4096"},
        {"name": "kernel.shm_rmid_forced", "value": "1"},
    ]
    assert profile["kind"] == "Tuned"
    assert "vm.max_map_count=>262144" in profile["spec"]["profile"][0]["data"]
    assert profile["spec"]["recommend"][0]["profile"] == profile["spec"]["profile"][0]["name"]


def test_fix_keeps_other_init_containers_and_present_sysctls(tmp_path: Path) -> None:
    """Only the one container goes; the pod's list grows."""
    text = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
spec:
  template:
    spec:
      securityContext:
        fsGroup: 1000
        sysctls:
        - name: kernel.shm_rmid_forced
          value: "1"
      initContainers:
      - name: first
        image: i
      - name: tune
        image: busybox
        command: ["sysctl", "-w", "net.core.somaxconn=4096"]
        securityContext: {privileged: true}
      - name: last
        image: i
      containers:
      - name: c
"""
    after = yaml.safe_load(repaired(tmp_path, text))
    spec = after["spec"]["template"]["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["first", "last"]
    assert [s["name"] for s in spec["securityContext"]["sysctls"]] == ["kernel.shm_rmid_forced", "net.core.somaxconn"]
    assert spec["securityContext"]["fsGroup"] == 1000


@pytest.mark.parametrize(
    "command",
    [
        "[sh, -c, 'sysctl -w vm.max_map_count=1; chown -R 1000 /data']",
        "[sh, -c, 'sysctl -w vm.max_map_count=$COUNT && true']",
        "[sh, -c, 'echo $COUNT > /proc/sys/vm/max_map_count']",
        "[sh, -c, 'sysctl -w vm.max_map_count=`nproc`']",
        "[sh, -c, 'if true; then sysctl -w vm.max_map_count=1; fi']",
    ],
)
def test_fix_leaves_containers_with_another_purpose(tmp_path: Path, command: str) -> None:
    """What else a container does is not ours to remove."""
    assert [f for f in findings(tmp_path, one(INIT.format(command=command))) if f.edits] == []


def test_fix_keeps_a_value_that_the_pod_sets_differently(tmp_path: Path) -> None:
    """Which of two values is meant is for people to say."""
    text = INIT.format(command="[sysctl, -w, net.core.somaxconn=1]").replace(
        "spec:\n", "spec:\n  securityContext:\n    sysctls:\n    - name: net/core/somaxconn\n      value: '2'\n", 1
    )
    assert [f for f in findings(tmp_path, one(text)) if f.rule == "PSC013" and f.edits] == []


def test_fix_gives_sysctls_of_a_host_network_to_the_node(tmp_path: Path) -> None:
    """The pod could not have them."""
    plain = INIT.format(command="[sysctl, -w, net.core.somaxconn=1]")
    text = plain.replace("spec:\n", "spec:\n  hostNetwork: true\n", 1)
    target, profile = yaml.safe_load_all(repaired(tmp_path, text))
    assert "securityContext" not in target["spec"]
    assert "net.core.somaxconn=>1" in profile["spec"]["profile"][0]["data"]


@pytest.mark.parametrize("name", ["'*'", "'a: b'", "${NAME}"])
def test_fix_makes_a_file_that_can_be_read_whatever_the_name(tmp_path: Path, name: str) -> None:
    """What is no name of an object does not become one."""
    text = INIT.format(command="[sysctl, -w, vm.max_map_count=1]").replace("name: db", f"name: {name}")
    profile = list(yaml.safe_load_all(repaired(tmp_path, text)))[1]
    assert profile["metadata"]["name"] == "pod-sysctls"


@pytest.mark.parametrize("write", ["vm.max_map_count=1\\n2", "'a b=1'"])
def test_fix_leaves_what_would_break_the_file(tmp_path: Path, write: str) -> None:
    """Names that are none, values with control characters."""
    text = INIT.format(command=f'[sysctl, -w, "{write}"]')
    assert [f for f in findings(tmp_path, one(text)) if f.edits] == []


def test_thousands_of_unknown_names_are_all_found(tmp_path: Path) -> None:
    """Similar names are looked for a hundred times, no more."""
    text = pod(*((f"net.core.somaxcon{number}", '"1"') for number in range(120)))
    found = [f for f in findings(tmp_path, one(text)) if f.rule == "PSC009"]
    assert len(found) == 120
    assert [bool(f.hint) for f in found] == [True] * 100 + [False] * 20


def test_flow_style_is_found_and_not_rewritten(tmp_path: Path) -> None:
    """A finding without a repair is still a finding."""
    sysctls = '[{name: net.core.somaxconn, value: "1"}]'
    text = f"apiVersion: v1\nkind: Pod\nspec: {{hostNetwork: true, securityContext: {{sysctls: {sysctls}}}}}\n"
    found = [f for f in findings(tmp_path, one(text)) if f.rule == "PSC004"]
    assert len(found) == 1
    assert found[0].edits == ()
