"""Rules of a pod's name resolution: DNS policy and configuration, host aliases, host names."""

from __future__ import annotations

from typing import Any

from podsysctl.objects import addresses, names
from podsysctl.objects.validation.fields import (
    Errors,
    Named,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from podsysctl.objects.validation.pods.options import Spec

_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MOST_SERVERS = 3
_MOST_SEARCHES = 32
_SEARCH_BYTES = 2048
_HOSTNAME_BYTES = 64


def validate_policy(policy: str, errors: Errors, path: str) -> None:
    """Which name servers a pod uses."""
    if not policy:
        errors.append(required(path))
    elif policy not in _POLICIES:
        errors.append(not_supported(path, Named(policy), _POLICIES))


def validate_config(spec: Spec, errors: Errors, path: str) -> None:
    """Name servers, search domains and options of the pod's own."""
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            errors.append(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"))
            return
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            errors.append(required(f"{path}.nameservers", text))
            return
    if config is None:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _MOST_SERVERS:
        text = f"must not have more than {_MOST_SERVERS} nameservers"
        errors.append(invalid(f"{path}.nameservers", servers, text))
    for index, server in enumerate(servers):
        each(errors, f"{path}.nameservers[{index}]", server, addresses.address_errors(server))
    if len(searches) > _MOST_SEARCHES:
        text = f"must not have more than {_MOST_SEARCHES} search paths"
        errors.append(invalid(f"{path}.searches", searches, text))
    if len(" ".join(searches).encode()) > _SEARCH_BYTES:
        text = f"must not have more than {_SEARCH_BYTES} characters (including spaces) in the search list"
        errors.append(invalid(f"{path}.searches", searches, text))
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            each(errors, f"{path}.searches[{index}]", domain, names.dns_subdomain_underscore(domain))
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))


def validate_host_aliases(aliases: Any, errors: Errors, path: str) -> None:
    """Entries of the pod's hosts file."""
    for index, alias in enumerate(aliases):
        address = alias.get("ip") or ""
        each(errors, f"{path}[{index}].ip", address, addresses.address_errors(address))
        for position, host in enumerate(alias.get("hostnames") or ()):
            each(errors, f"{path}[{index}].hostnames[{position}]", host, names.dns_subdomain(host))


def validate_hostname_override(spec: Spec, errors: Errors, path: str) -> None:
    """A host name instead of the pod's, and what it excludes."""
    name = spec.get("hostnameOverride")
    if name is None:
        return
    if spec.get("setHostnameAsFQDN"):
        errors.append(forbidden(path, "may not be specified when setHostnameAsFQDN is true"))
    if spec.get("hostNetwork"):
        errors.append(forbidden(path, "may not be specified when hostNetwork is true"))
    if len(name.encode()) > _HOSTNAME_BYTES:
        errors.append(too_long(path, _HOSTNAME_BYTES))
    each(errors, path, name, names.dns_subdomain(name))
