"""Finds every assignment of a sysctl in what was read: one list for all rules that judge names and values."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.policy import interface, network_plugin
from podsysctl.policy.lint.block_text import find_in, position_in
from podsysctl.policy.lint.context import Context
from podsysctl.policy.lint.document import Document, Kind, Path, at
from podsysctl.policy.lint.finding import Position
from podsysctl.policy.lint.lines import LineFile, LineKind, parse_sections
from podsysctl.policy.lint.setting import Place, Setting
from podsysctl.sysctls.tuned import build, merger, parser
from podsysctl.sysctls.tuned.parser import Assignment

QUADLET_SECTIONS = ("Container", "Pod")


def extract(context: Context) -> list[Setting]:
    """All settings, documents first, then files of lines."""
    out: list[Setting] = []
    for document in context.documents:
        if document.kind is Kind.WORKLOAD:
            out += pod_settings(document)
            out += annotation_settings(document)
        elif document.kind is Kind.TUNED:
            out += tuned_settings(document)
        elif document.kind is Kind.ATTACHMENT:
            out += attachment_settings(document)
        elif document.kind is Kind.COMPOSE:
            out += compose_settings(document)
    for file in context.files:
        out += quadlet_settings(file) if file.kind is LineKind.QUADLET else sysctl_d_settings(file)
    return out


def spec_path(document: Document) -> Path:
    """The path to the pod spec inside a workload."""
    return (*document.template_path, "spec")


def pod_settings(document: Document) -> Iterator[Setting]:
    """spec.securityContext.sysctls of a pod or of a workload's template."""
    base = spec_path(document)
    spec = document.get(*base)
    entries = at(spec, ("securityContext", "sysctls"))
    if not isinstance(spec, dict) or not isinstance(entries, list):
        return
    for index, entry in enumerate(entries):
        path: Path = (*base, "securityContext", "sysctls", index)
        if not isinstance(entry, dict):
            continue
        name = entry.get("name")
        yield Setting(
            Place.POD,
            name if isinstance(name, str) else "",
            entry.get("value"),
            document.file,
            document.position((*path, "name")),
            document.position((*path, "value")),
            host_network=spec.get("hostNetwork") is True,
            host_ipc=spec.get("hostIPC") is True,
            host_users=spec.get("hostUsers") is not False,
            owner=document.title,
            document=document,
            path=path,
        )


def profiles(document: Document) -> Iterator[tuple[int, str, str]]:
    """Index, name and text of every profile of a Tuned object."""
    entries = document.get("spec", "profile")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        name, data = at(entry, ("name",)), at(entry, ("data",))
        if isinstance(data, str):
            yield index, str(name or ""), data


def node_choices(document: Document) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Profiles that a Tuned object recommends, each with the labels that a node must have, all of them.

    Choices that are not so simple (several alternatives, pods' labels, pools) are left out.
    """
    recommended = document.get("spec", "recommend")
    for entry in recommended if isinstance(recommended, list) else ():
        labels: list[tuple[str, str]] = []
        level = at(entry, ("match",))
        while isinstance(level, list) and len(level) == 1 and at(level[0], ("type",)) in (None, "node"):
            labels.append((str(at(level[0], ("label",)) or ""), str(at(level[0], ("value",)) or "")))
            level = at(level[0], ("match",))
        if not level and not at(entry, ("machineConfigLabels",)):
            yield str(at(entry, ("profile",)) or ""), tuple(labels)


def sysctl_entries(data: str) -> Iterator[Assignment]:
    """The assignments of a TuneD profile's sysctl sections, repeated ones too."""
    entries = parser.parse(data).assignments
    kinds = {entry.section: entry.value for entry in entries if entry.key == "type"}
    for entry in entries:
        if kinds.get(entry.section, entry.section) == "sysctl" and entry.key not in merger.PROPERTIES:
            yield entry


def tuned_settings(document: Document) -> Iterator[Setting]:
    """The sysctl sections of every profile of a Tuned object."""
    for index, name, data in profiles(document):
        path: Path = ("spec", "profile", index, "data")
        for entry in sysctl_entries(data):
            yield Setting(
                Place.NODE,
                entry.key,
                build.guarded(build.unquoted(entry.value))[1],
                document.file,
                position_in(document, path, entry.line, entry.column),
                position_in(document, path, entry.line, entry.value_column),
                owner=f"TuneD profile {name}",
                document=document,
                path=path,
            )


def plugins(document: Document) -> list[Mapping[str, Any]]:
    """The plugins of a NetworkAttachmentDefinition, none when its configuration cannot be read."""
    text = document.get("spec", "config")
    try:
        config = json.loads(text) if isinstance(text, str) and text else {}
    except (ValueError, RecursionError):
        return []
    if not isinstance(config, dict):
        return []
    listed = config.get("plugins")
    return [p for p in (listed if isinstance(listed, list) else [config]) if isinstance(p, dict)]


def attachment_settings(document: Document) -> Iterator[Setting]:
    """The sysctls that a NetworkAttachmentDefinition gives the tuning plugin."""
    path: Path = ("spec", "config")
    for plugin in plugins(document):
        for key, value in network_plugin.sysctls(plugin).items():
            where = find_in(document, path, f'"{key}"')
            yield Setting(
                Place.INTERFACE, key, value, document.file, where, where, owner=document.title, document=document,
                path=path,
            )  # fmt: skip


def annotation_settings(document: Document) -> Iterator[Setting]:
    """The sysctls that a pod's annotation gives its interfaces; one that cannot be read has none."""
    path: Path = (*spec_path(document)[:-1], "metadata", "annotations", interface.INTERFACE_SYSCTLS)
    text = document.get(*path)
    try:
        found = interface.parse_interface_sysctls(text) if isinstance(text, str) else {}
    except UsageError:
        return
    for sysctls in found.values():
        for key, value in sysctls.items():
            where = find_in(document, path, f'"{key}"')
            yield Setting(
                Place.INTERFACE, key, value, document.file, where, where, owner=document.title, document=document,
                path=path,
            )  # fmt: skip


def compose_settings(document: Document) -> Iterator[Setting]:
    """The sysctls of a compose file's services, in either form."""
    services = document.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        sysctls = at(service, ("sysctls",))
        base: Path = ("services", name, "sysctls")
        pairs: list[tuple[str, Any, Path]] = []
        if isinstance(sysctls, dict):
            pairs = [(key, value, (*base, key)) for key, value in sysctls.items()]
        elif isinstance(sysctls, list):
            for index, item in enumerate(sysctls):
                key, _, value = str(item).partition("=")
                pairs.append((key.strip(), value, (*base, index)))
        for key, value, path in pairs:
            key_node = document.key_node(path) if isinstance(path[-1], str) else None
            mark = key_node.start_mark if key_node is not None else document.node_at(path).start_mark
            yield Setting(
                Place.CONTAINER,
                key,
                value,
                document.file,
                Position(mark.line + 1, mark.column + 1),
                document.position(path),
                host_network=at(service, ("network_mode",)) == "host",
                host_ipc=at(service, ("ipc",)) == "host",
                owner=f"service {name}",
                document=document,
                path=path,
            )


def quadlet_settings(file: LineFile) -> Iterator[Setting]:
    """The Sysctl lines of a Podman unit."""
    entries = [entry for entry in parse_sections(file.text) if isinstance(entry, Assignment)]
    host_network = any(e.key == "Network" and e.value == "host" for e in entries if e.section in QUADLET_SECTIONS)
    for entry in entries:
        if entry.section not in QUADLET_SECTIONS or entry.key != "Sysctl":
            continue
        for word in words(entry.value):
            name, equals, value = word.partition("=")
            if not equals:
                continue
            column = entry.value_column + max(entry.value.find(word), 0)
            yield Setting(
                Place.CONTAINER,
                name.strip(),
                value,
                file.file,
                Position(entry.line, column),
                Position(entry.line, column + len(name) + 1),
                host_network=host_network,
                owner=f"[{entry.section}]",
            )


def words(text: str) -> list[str]:
    """The assignments of one line, which may be quoted."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def sysctl_d_settings(file: LineFile) -> Iterator[Setting]:
    """The lines of a sysctl.d file that name one parameter; patterns are left to systemd."""
    for entry in parse_sections(file.text):
        if isinstance(entry, Assignment):
            name = entry.key.removeprefix("-").strip()
            if not any(char in name for char in "*?["):
                yield Setting(
                    Place.NODE,
                    name,
                    entry.value,
                    file.file,
                    Position(entry.line, entry.column),
                    Position(entry.line, entry.value_column),
                    owner="sysctl.d",
                )
