"""Probes and lifecycle handlers may not name a host.

Fields: {livenessProbe,readinessProbe,startupProbe,lifecycle.postStart,lifecycle.preStop}.{httpGet,tcpSocket}.host
of all containers. Allowed: empty, absent.
Source: pod-security-admission policy/check_hostProbesAndhostLifecycle.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.policy.check import BASELINE, Check, CheckVersion, Violation, containers_phrase, quoted_set
from podsysctl.policy.pod_view import PodView
from podsysctl.policy.wording import plural

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def since_1_34(pod: PodView) -> Violation | None:
    """No handler may name a host; containers and hosts are listed sorted."""
    bad: set[str] = set()
    hosts: set[str] = set()
    for name, _, fields in pod.containers:
        for handler in _handlers(fields):
            for kind in ("httpGet", "tcpSocket"):
                host = (handler.get(kind) or {}).get("host")
                if host:
                    bad.add(name)
                    hosts.add(host)
    if not bad:
        return None
    verb = plural("uses", "use", len(bad))
    noun = plural("probe or lifecycle host", "probe or lifecycle hosts", len(hosts))
    return Violation("probe or lifecycle host", f"{containers_phrase(sorted(bad))} {verb} {noun} {quoted_set(hosts)}")


def _handlers(container: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for field in _PROBES:
        probe = container.get(field)
        if probe:
            yield probe
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for field in ("postStart", "preStop"):
            handler = lifecycle.get(field)
            if handler:
                yield handler


CHECK = Check("hostProbesAndHostLifecycle", BASELINE, (CheckVersion(34, since_1_34),))
