"""One constraint made ready for one namespace: what it sets in a pod, and what it finds wrong with it.

Step in the path: mutating admission. Texts, paths and their order are upstream's, with its peculiarities: paths begin
with `provider NAME: `, sysctls and seccomp with `pod`, volumes with `spec`, and every container reports the host ports
of all containers.
Source: apiserver-library-go sccmatching/{matcher,provider}.go, {user,selinux,group,capabilities,sysctl}/*.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podsysctl.base.errors import FieldError, UsageError
from podsysctl.objects import fielderrors
from podsysctl.objects.quote import quote
from podsysctl.policy.scc import seccomp
from podsysctl.policy.scc.constraint import ALL_VOLUMES, VOLUME_SOURCES, Constraint
from podsysctl.policy.scc.namespace_range import Block, NamespaceRanges

CONTAINER_KINDS = ("initContainers", "containers", "ephemeralContainers")
_HOST_FLAGS = (
    ("allowHostNetwork", "hostNetwork", "Host network is not allowed to be used"),
    ("allowHostPID", "hostPID", "Host PID is not allowed to be used"),
    ("allowHostIPC", "hostIPC", "Host IPC is not allowed to be used"),
)
_NO_ESCALATION = "Allowing privilege escalation for containers is not allowed"
_SELINUX_FIELDS = ("level", "role", "type", "user")
_EMPTY: Mapping[str, Any] = {}


class Provider:
    """A constraint with the ranges that a namespace gives it.

    Raises UsageError when a range is needed that the namespace's annotations do not give.
    """

    __slots__ = (
        "_capabilities_add",
        "_capabilities_allowed",
        "_capabilities_drop",
        "_fs_groups",
        "_groups",
        "_root",
        "_safe",
        "_seccomp",
        "_selinux",
        "_uid_max",
        "_uid_min",
        "_user_type",
        "_volumes",
        "constraint",
    )

    def __init__(self, constraint: Constraint, namespace: NamespaceRanges, safe_sysctls: frozenset[str]) -> None:
        self.constraint = constraint
        self._safe = safe_sysctls
        self._root = f"provider {constraint.name}: "
        self._user_type = constraint.strategy_type("runAsUser")
        self._uid_min, self._uid_max = _uid_range(constraint, namespace)
        self._selinux = _selinux_options(constraint, namespace)
        self._fs_groups = _group_ranges(constraint, namespace, "fsGroup")
        self._groups = _group_ranges(constraint, namespace, "supplementalGroups")
        self._capabilities_add = constraint.strings("defaultAddCapabilities")
        self._capabilities_drop = constraint.strings("requiredDropCapabilities")
        self._capabilities_allowed = frozenset(constraint.strings("allowedCapabilities"))
        self._seccomp = seccomp.Profiles(constraint.strings("seccompProfiles"))
        self._volumes = frozenset(constraint.strings("volumes"))

    def refuses_sysctls(self, names: Sequence[str]) -> bool:
        """Whether a sysctl alone is enough for a refusal: the cheapest question to ask first."""
        forbidden, allowed, safe = self.constraint.forbidden, self.constraint.allowed_unsafe, self._safe
        if not forbidden and not allowed:
            return not safe.issuperset(names)
        return any(forbidden.matches(name) or not (name in safe or allowed.matches(name)) for name in names)

    def assign(self, pod: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
        """The pod with everything set that it left open, and what this constraint finds wrong with it.

        The argument is not changed; parts that stay the same are shared with the result.
        """
        spec: Mapping[str, Any] = pod.get("spec") or _EMPTY
        metadata: Mapping[str, Any] = pod.get("metadata") or _EMPTY
        annotations = dict(metadata.get("annotations") or _EMPTY)
        security = self._pod_security(spec.get("securityContext") or _EMPTY, annotations)
        out_spec = dict(spec)
        if security or spec.get("securityContext") is not None:
            out_spec["securityContext"] = security
        errors = self._pod_problems(out_spec, security, annotations)
        for kind in CONTAINER_KINDS:
            containers = spec.get(kind)
            if containers:
                out_spec[kind] = [self._container(c, security, annotations) for c in containers]
        for path, container in _containers(out_spec, self._root):
            self._container_problems(path, container, out_spec, security, annotations, errors)
        out_metadata = dict(metadata)
        if annotations:
            out_metadata["annotations"] = annotations
        return {**pod, "metadata": out_metadata, "spec": out_spec}, errors

    def _pod_security(self, given: Mapping[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
        security = dict(given)
        if security.get("supplementalGroups") is None and self._groups:
            security["supplementalGroups"] = [self._groups[0].start]
        if security.get("fsGroup") is None and self._fs_groups:
            security["fsGroup"] = self._fs_groups[0].start
        if security.get("seLinuxOptions") is None and self._selinux is not None:
            security["seLinuxOptions"] = dict(self._selinux)
        profile = self._seccomp.generate(annotations, security)
        if profile:
            annotations[seccomp.POD_KEY] = profile
            field = seccomp.field_for(profile)
            if field is not None:
                security["seccompProfile"] = field
            else:
                security.pop("seccompProfile", None)
        return security

    def _container(
        self, container: Mapping[str, Any], pod_security: Mapping[str, Any], annotations: Mapping[str, str]
    ) -> Mapping[str, Any]:
        given: Mapping[str, Any] = container.get("securityContext") or _EMPTY
        security = dict(given)
        if _effective(security, pod_security, "runAsUser") is None and self._default_uid is not None:
            security["runAsUser"] = self._default_uid
        if _effective(security, pod_security, "runAsNonRoot") is None:
            uid = _effective(security, pod_security, "runAsUser")
            if uid > 0 if uid is not None else self._user_type == "MustRunAsNonRoot":
                security["runAsNonRoot"] = True
        self._set_capabilities(security)
        if self.constraint.allows("readOnlyRootFilesystem") and security.get("readOnlyRootFilesystem") is None:
            security["readOnlyRootFilesystem"] = True
        annotation = annotations.get(seccomp.CONTAINER_KEY + (container.get("name") or ""))
        if annotation is not None:
            field = seccomp.field_for(annotation)
            if field is not None:
                security["seccompProfile"] = field
            else:
                security.pop("seccompProfile", None)
        self._set_escalation(security)
        return container if security == given else {**container, "securityContext": security}

    @property
    def _default_uid(self) -> int | None:
        return self._uid_min if self._user_type in ("MustRunAs", "MustRunAsRange") else None

    def _set_capabilities(self, security: dict[str, Any]) -> None:
        """Add the default capabilities and drop the required ones; unchanged lists keep their order."""
        if not self._capabilities_add and not self._capabilities_drop:
            return
        own: Mapping[str, Any] = security.get("capabilities") or _EMPTY
        add, drop = set(own.get("add") or ()), set(own.get("drop") or ())
        all_add, all_drop = (set(self._capabilities_add) - drop) | add, set(self._capabilities_drop) | drop
        if len(all_add) == len(add) and len(all_drop) == len(drop):
            return
        lists = (("add", all_add), ("drop", all_drop))
        security["capabilities"] = {key: sorted(values) for key, values in lists if values}

    def _set_escalation(self, security: dict[str, Any]) -> None:
        if security.get("allowPrivilegeEscalation") is not None:
            return
        default = self.constraint.fields.get("defaultAllowPrivilegeEscalation")
        added = (security.get("capabilities") or _EMPTY).get("add") or ()
        if default is not None and not security.get("privileged") and "CAP_SYS_ADMIN" not in added:
            security["allowPrivilegeEscalation"] = default
        elif self.constraint.fields.get("allowPrivilegeEscalation") is False:
            security["allowPrivilegeEscalation"] = False

    def _pod_problems(
        self, spec: Mapping[str, Any], security: Mapping[str, Any], annotations: Mapping[str, str]
    ) -> list[FieldError]:
        path = f"{self._root}.spec.securityContext"
        errors: list[FieldError] = []
        if self._fs_groups:
            group = security.get("fsGroup")
            errors += _group_problems(f"{path}.fsGroup", [] if group is None else [group], self._fs_groups)
        if self._groups:
            groups = security.get("supplementalGroups")
            errors += _group_problems(f"{path}.supplementalGroups", groups, self._groups)
        profile = annotations.get(seccomp.POD_KEY) or ""
        if not profile and security.get("seccompProfile") is not None:
            profile = seccomp.annotation_for(security["seccompProfile"])
        problem = self._seccomp.problem(f"pod.metadata.annotations[{seccomp.POD_KEY}]", profile)
        if problem is not None:
            errors.append(problem)
        if self._selinux is not None:
            errors += self._selinux_problems(f"{path}.seLinuxOptions", security.get("seLinuxOptions"))
        errors += self._host_problems(path, spec)
        users = spec.get("hostUsers")
        if self.constraint.fields.get("userNamespaceLevel") == "RequirePodLevel" and users is not False:
            errors.append(fielderrors.invalid(f"{path}.hostUsers", users, "Host Users must be set to false"))
        for index, entry in enumerate(security.get("sysctls") or ()):
            text = self._sysctl_problem(entry.get("name") or "")
            if text:
                errors.append(fielderrors.forbidden(f"pod.spec.securityContext.sysctls[{index}]", text))
        if spec.get("volumes"):
            errors += self._volume_problems(path, spec["volumes"])
        return errors

    def _host_problems(self, path: str, spec: Mapping[str, Any]) -> Iterator[FieldError]:
        for flag, field, text in _HOST_FLAGS:
            if spec.get(field) and not self.constraint.allows(flag):
                yield fielderrors.invalid(f"{path}.{field}", True, text)

    def _sysctl_problem(self, name: str) -> str:
        """Why a raw name is refused; empty when it is allowed. A forbidden name is refused even when safe."""
        if self.constraint.forbidden.matches(name):
            return f"sysctl {quote(name)} is not allowed"
        if name in self._safe or self.constraint.allowed_unsafe.matches(name):
            return ""
        return f"unsafe sysctl {quote(name)} is not allowed"

    def _volume_problems(self, path: str, volumes: Sequence[Mapping[str, Any]]) -> list[FieldError]:
        errors: list[FieldError] = []
        if ALL_VOLUMES not in self._volumes:
            for index, volume in enumerate(volumes):
                kind = _volume_type(volume)
                if kind not in self._volumes and not self._is_token(volume, kind):
                    text = f"{kind} volumes are not allowed to be used"
                    errors.append(fielderrors.invalid(f"spec.volumes[{index}]", kind, text))
        drivers = [entry.get("driver") for entry in self.constraint.fields.get("allowedFlexVolumes") or ()]
        if drivers and self._volumes & {"flexVolume", ALL_VOLUMES}:
            for index, volume in enumerate(volumes):
                driver = (volume.get("flexVolume") or _EMPTY).get("driver") or ""
                if volume.get("flexVolume") is not None and driver not in drivers:
                    where = f"{path}.volumes[{index}].driver"
                    errors.append(fielderrors.invalid(where, driver, "Flexvolume driver is not allowed to be used"))
        return errors

    def _is_token(self, volume: Mapping[str, Any], kind: str) -> bool:
        """A projected volume that only brings the service account's token counts as a secret."""
        return kind == "projected" and "secret" in self._volumes and _is_token_only(volume["projected"])

    def _container_problems(
        self,
        path: str,
        container: Mapping[str, Any],
        spec: Mapping[str, Any],
        pod_security: Mapping[str, Any],
        annotations: Mapping[str, str],
        errors: list[FieldError],
    ) -> None:
        security: Mapping[str, Any] = container.get("securityContext") or _EMPTY
        errors += self._user_problems(path, security, pod_security)
        if self._selinux is not None:
            options = _effective(security, pod_security, "seLinuxOptions")
            errors += self._selinux_problems(f"{path}.seLinuxOptions", options)
        name = container.get("name") or ""
        profile = seccomp.container_profile(name, security, annotations, pod_security)
        problem = self._seccomp.problem(f"pod.metadata.annotations[{seccomp.CONTAINER_KEY}{name}]", profile)
        if problem is not None:
            errors.append(problem)
        if security.get("privileged") and not self.constraint.allows("allowPrivilegedContainer"):
            errors.append(fielderrors.invalid(f"{path}.privileged", True, "Privileged containers are not allowed"))
        errors += self._capability_problems(path, security.get("capabilities"))
        host = list(self._host_problems(path, spec))
        errors += [e for e in host if e.path.endswith("hostNetwork")]
        if not self.constraint.allows("allowHostPorts"):
            errors += _host_port_problems(path, spec)
        errors += [e for e in host if not e.path.endswith("hostNetwork")]
        if self.constraint.allows("readOnlyRootFilesystem"):
            value = security.get("readOnlyRootFilesystem")
            if value is not True:
                text = "ReadOnlyRootFilesystem may not be nil and must be set to true"
                text = text if value is None else "ReadOnlyRootFilesystem must be set to true"
                errors.append(fielderrors.invalid(f"{path}.readOnlyRootFilesystem", value, text))
        if self.constraint.fields.get("allowPrivilegeEscalation") is False:
            value = security.get("allowPrivilegeEscalation")
            if value is not False:
                errors.append(fielderrors.invalid(f"{path}.allowPrivilegeEscalation", value, _NO_ESCALATION))

    def _user_problems(
        self, path: str, security: Mapping[str, Any], pod_security: Mapping[str, Any]
    ) -> Iterator[FieldError]:
        kind = self._user_type
        if kind == "RunAsAny":
            return
        uid = _effective(security, pod_security, "runAsUser")
        if kind == "MustRunAsNonRoot":
            non_root = _effective(security, pod_security, "runAsNonRoot")
            if non_root is None and uid is None:
                yield fielderrors.required(f"{path}.runAsNonRoot", "must be true")
            elif non_root is False:
                yield fielderrors.invalid(f"{path}.runAsNonRoot", False, "must be true")
            elif uid == 0:
                yield fielderrors.invalid(f"{path}.runAsUser", uid, "running with the root UID is forbidden")
        elif uid is None:
            yield fielderrors.required(f"{path}.runAsUser")
        elif kind == "MustRunAs" and uid != self._uid_min:
            yield fielderrors.invalid(f"{path}.runAsUser", uid, f"must be: {self._uid_min}")
        elif kind == "MustRunAsRange" and not (self._uid_min or 0) <= uid <= (self._uid_max or 0):
            text = f"must be in the ranges: [{self._uid_min}, {self._uid_max}]"
            yield fielderrors.invalid(f"{path}.runAsUser", uid, text)

    def _selinux_problems(self, path: str, options: Mapping[str, Any] | None) -> Iterator[FieldError]:
        if options is None:
            yield fielderrors.required(path)
            return
        for field in _SELINUX_FIELDS:
            wanted, given = (self._selinux or _EMPTY).get(field) or "", options.get(field) or ""
            if wanted != given and not (field == "level" and _is_same_level(wanted, given)):
                yield fielderrors.invalid(f"{path}.{field}", given, f"must be {wanted}")

    def _capability_problems(self, path: str, given: Mapping[str, Any] | None) -> Iterator[FieldError]:
        if given is None:
            if self._capabilities_add or self._capabilities_drop:
                text = "required capabilities are not set on the securityContext"
                yield fielderrors.invalid(f"{path}.capabilities", None, text)
            return
        if "*" in self._capabilities_allowed:
            return
        for capability in given.get("add") or ():
            if capability not in self._capabilities_add and capability not in self._capabilities_allowed:
                yield fielderrors.invalid(f"{path}.capabilities.add", capability, "capability may not be added")
        drops = given.get("drop")
        for required in self._capabilities_drop:
            if required not in (drops or ()):
                text = f"{required} is required to be dropped but was not found"
                yield fielderrors.invalid(f"{path}.capabilities.drop", drops, text)


def _containers(spec: Mapping[str, Any], root: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container with its path below `root`, init containers first."""
    for kind in CONTAINER_KINDS:
        for index, container in enumerate(spec.get(kind) or ()):
            yield f"{root}.{kind}[{index}]", container


def _effective(security: Mapping[str, Any], pod_security: Mapping[str, Any], field: str) -> Any:
    """A container's value, else the pod's."""
    value = security.get(field)
    return pod_security.get(field) if value is None else value


def _host_port_problems(path: str, spec: Mapping[str, Any]) -> Iterator[FieldError]:
    for inner, container in _containers(spec, path):
        for port in container.get("ports") or ():
            if (port.get("hostPort") or 0) > 0:
                text = "Host ports are not allowed to be used"
                yield fielderrors.invalid(f"{inner}.hostPort", port["hostPort"], text)


def _group_problems(path: str, groups: Sequence[int] | None, ranges: Sequence[Block]) -> Iterator[FieldError]:
    if not groups:
        yield fielderrors.invalid(path, groups, "unable to validate empty groups against required ranges")
    for group in groups or ():
        if not any(block.start <= group <= block.end for block in ranges):
            yield fielderrors.invalid(path, list(groups or ()), f"{group} is not an allowed group")


def _is_same_level(wanted: str, given: str) -> bool:
    """SELinux levels are equal when their categories are, in whatever order."""
    wanted_level, wanted_colon, wanted_categories = wanted.partition(":")
    given_level, given_colon, given_categories = given.partition(":")
    if not wanted_colon or not given_colon or wanted_level != given_level:
        return False
    return sorted(wanted_categories.split(",")) == sorted(given_categories.split(","))


def _volume_type(volume: Mapping[str, Any]) -> str:
    """The type a constraint's list would name; a volume without a source is stored as an emptyDir."""
    for field, kind in VOLUME_SOURCES.items():
        if volume.get(field) is not None:
            return kind
    return "emptyDir"


def _is_token_only(projected: Mapping[str, Any]) -> bool:
    """Whether a projected volume has the sources of a service account's token and nothing else."""
    config_maps = {"kube-root-ca.crt": "ca.crt", "openshift-service-ca.crt": "service-ca.crt"}
    for source in projected.get("sources") or ():
        token, config, downward = (source.get(k) for k in ("serviceAccountToken", "configMap", "downwardAPI"))
        if token is None and config is None and downward is None:
            return False
        if token is not None and (token.get("path") != "token" or token.get("audience")):
            return False
        if config is not None:
            key = config_maps.get(config.get("name") or "")
            items = [(i.get("key"), i.get("path")) for i in config.get("items") or ()]
            if key is None or items != [(key, key)]:
                return False
        for item in (downward or _EMPTY).get("items") or ():
            reference = item.get("fieldRef") or _EMPTY
            expected = ("namespace", "v1", "metadata.namespace")
            if (item.get("path"), reference.get("apiVersion"), reference.get("fieldPath")) != expected:
                return False
    return True


def _uid_range(constraint: Constraint, namespace: NamespaceRanges) -> tuple[int | None, int | None]:
    strategy, kind = constraint.strategy("runAsUser"), constraint.strategy_type("runAsUser")
    if kind == "MustRunAs":
        if strategy.get("uid") is None:
            raise _unusable(constraint, namespace, "MustRunAs requires a UID")
        return strategy["uid"], strategy["uid"]
    if kind not in ("MustRunAsRange", "MustRunAsNonRoot", "RunAsAny"):
        raise _unusable(constraint, namespace, f"Unrecognized RunAsUser strategy type {kind}")
    low, high = strategy.get("uidRangeMin"), strategy.get("uidRangeMax")
    if kind == "MustRunAsRange" and low is None and high is None:
        try:
            block = namespace.uid_block()
        except UsageError as error:
            raise _no_annotation("uid", constraint, namespace, error) from error
        return block.start, block.end
    if kind == "MustRunAsRange" and (low is None or high is None):
        field = "UIDRangeMin" if low is None else "UIDRangeMax"
        raise _unusable(constraint, namespace, f"MustRunAsRange requires a {field}")
    return low, high


def _selinux_options(constraint: Constraint, namespace: NamespaceRanges) -> Mapping[str, Any] | None:
    kind = constraint.strategy_type("seLinuxContext")
    if kind == "RunAsAny":
        return None
    if kind != "MustRunAs":
        raise _unusable(constraint, namespace, f"Unrecognized SELinuxContext strategy type {kind}")
    options: Mapping[str, Any] = constraint.strategy("seLinuxContext").get("seLinuxOptions") or _EMPTY
    if options.get("level"):
        return options
    try:
        return {**options, "level": namespace.selinux_level()}
    except UsageError as error:
        raise _no_annotation("mcs", constraint, namespace, error) from error


def _group_ranges(constraint: Constraint, namespace: NamespaceRanges, field: str) -> tuple[Block, ...]:
    """The groups a strategy allows; empty when it allows any. fsGroup takes only a block's first id."""
    kind = constraint.strategy_type(field)
    if kind == "RunAsAny":
        return ()
    if kind != "MustRunAs":
        shown = "FSGroup" if field == "fsGroup" else "SupplementalGroups"
        raise _unusable(constraint, namespace, f"Unrecognized {shown} strategy type {kind}")
    ranges = constraint.strategy(field).get("ranges")
    if ranges:
        return tuple(Block(r.get("min") or 0, r.get("max") or 0) for r in ranges)
    try:
        blocks = namespace.group_blocks()
    except UsageError as error:
        raise _no_annotation("group", constraint, namespace, error) from error
    return (Block(blocks[0].start, blocks[0].start),) if field == "fsGroup" else tuple(blocks)


def _no_annotation(what: str, constraint: Constraint, namespace: NamespaceRanges, error: UsageError) -> UsageError:
    return UsageError(
        f"unable to find pre-allocated {what} annotation for namespace {namespace.name}"
        f" while trying to configure SCC {constraint.name}: {error.message}"
    )


def _unusable(constraint: Constraint, namespace: NamespaceRanges, text: str) -> UsageError:
    return UsageError(f"error creating provider for SCC {constraint.name} in namespace {namespace.name}: {text}")
