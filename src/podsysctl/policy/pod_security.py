"""Which Pod Security level a namespace demands, and what a pod violates at a level and version.

Step in the path: after field validation, in validating admission. `policy/checks/` holds the checks themselves,
`policy/pod_security_request.py` what a whole request gets (denial, warning, audit annotations).
Sources: pod-security-admission api/helpers.go, policy/registry.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from podsysctl.base.errors import FieldError
from podsysctl.base.versions import KUBERNETES_MINOR
from podsysctl.objects import fielderrors
from podsysctl.policy.check import BASELINE, RESTRICTED, Check, CheckFunction, CheckVersion, Violation
from podsysctl.policy.checks import CHECKS
from podsysctl.policy.pod_view import PodView

PRIVILEGED = "privileged"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
"""From lax to strict."""

LABEL_PREFIX = "pod-security.kubernetes.io/"
ENFORCE, AUDIT, WARN = "enforce", "audit", "warn"
MODES = (ENFORCE, AUDIT, WARN)

_VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class LevelVersion:
    """A level and a policy version; `minor` None means latest.

    >>> str(LevelVersion("restricted"))
    'restricted:latest'
    >>> str(LevelVersion("baseline", 24))
    'baseline:v1.24'
    """

    level: str
    minor: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor is None else f'v1.{self.minor}'}"

    def is_equivalent(self, other: LevelVersion) -> bool:
        """Whether both demand the same: equal, or both privileged."""
        return self == other or (self.level == other.level == PRIVILEGED)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a namespace demands in each of the three modes."""

    enforce: LevelVersion
    audit: LevelVersion
    warn: LevelVersion

    @property
    def is_privileged(self) -> bool:
        """Whether no mode demands anything."""
        return self.enforce.level == self.audit.level == self.warn.level == PRIVILEGED

    def is_equivalent(self, other: Policy) -> bool:
        """Whether all three modes demand the same."""
        return (
            self.enforce.is_equivalent(other.enforce)
            and self.audit.is_equivalent(other.audit)
            and self.warn.is_equivalent(other.warn)
        )


UPSTREAM_DEFAULTS = Policy(LevelVersion(PRIVILEGED), LevelVersion(PRIVILEGED), LevelVersion(PRIVILEGED))
"""A cluster without configuration: nothing is demanded."""

OPENSHIFT_DEFAULTS = Policy(LevelVersion(PRIVILEGED), LevelVersion(RESTRICTED), LevelVersion(RESTRICTED))
"""OpenShift's configuration: everything runs, and what is not restricted is warned about and audited."""


def strictness(level: str) -> int:
    """A rank that grows with the demands of a level."""
    return LEVELS.index(level)


def parse_policy(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, list[FieldError]]:
    """The policy of a namespace from its labels, and what is wrong with them, in upstream's order.

    A policy is always returned: a bad enforce level counts as restricted, a bad audit or warn level as
    privileged, a bad version as latest. A namespace that enforces more than it warns about also warns about it.
    """
    if not any(label.startswith(LABEL_PREFIX) for label in labels):
        return defaults, []
    errors: list[FieldError] = []
    modes: dict[str, LevelVersion] = {}
    for mode, default in ((ENFORCE, defaults.enforce), (AUDIT, defaults.audit), (WARN, defaults.warn)):
        level, minor = default.level, default.minor
        text = labels.get(LABEL_PREFIX + mode)
        if text is not None:
            level = text if text in LEVELS else (RESTRICTED if mode == ENFORCE else PRIVILEGED)
            if text not in LEVELS:
                errors.append(_label_error(mode, text, f"must be one of {', '.join(LEVELS)}"))
        version = labels.get(f"{LABEL_PREFIX}{mode}-version")
        if version is not None:
            minor, problem = _parse_version(version)
            if problem:
                errors.append(_label_error(f"{mode}-version", version, problem))
        modes[mode] = LevelVersion(level, minor)
    enforce, warn = modes[ENFORCE], modes[WARN]
    if (
        labels.get(LABEL_PREFIX + ENFORCE) in LEVELS
        and LABEL_PREFIX + WARN not in labels
        and strictness(enforce.level) > strictness(warn.level)
    ):
        minor = warn.minor if f"{LABEL_PREFIX}{WARN}-version" in labels else enforce.minor
        modes[WARN] = LevelVersion(enforce.level, minor)
    return Policy(modes[ENFORCE], modes[AUDIT], modes[WARN]), errors


def _parse_version(text: str) -> tuple[int | None, str]:
    """The minor version, None for latest, and the problem when the text is neither."""
    if text == "latest":
        return None, ""
    match = _VERSION.fullmatch(text)
    if match is None or len(match[1]) > 19 or int(match[1]) > _INT64_MAX:
        return None, 'must be "latest" or "v1.x"'
    return int(match[1]), ""


def _label_error(label: str, value: str, rule: str) -> FieldError:
    return fielderrors.invalid(f"metadata.labels[{LABEL_PREFIX}{label}]", value, rule)


class Evaluator:
    """The checks of every level and version that a server of one minor version knows.

    A version beyond the newest is evaluated as the newest, as upstream does with namespaces labelled by a newer
    cluster.
    """

    def __init__(self, server_minor: int = KUBERNETES_MINOR, checks: Iterable[Check] = CHECKS) -> None:
        known = sorted(checks, key=lambda check: (check.level == RESTRICTED, check.id))
        self.newest = max(v.minor for check in known for v in check.versions if v.minor <= server_minor)
        self._functions: dict[tuple[str, int], tuple[CheckFunction, ...]] = {}
        self._ids: dict[tuple[str, int], tuple[str, ...]] = {}
        for minor in range(self.newest + 1):
            current = {check.id: v for check in known if (v := _version_at(check, minor)) is not None}
            overridden = {name for v in current.values() for name in v.overrides}
            for level in (BASELINE, RESTRICTED):
                ids = tuple(
                    check.id
                    for check in known
                    if check.id in current
                    and (check.level == BASELINE or level == RESTRICTED)
                    and not (level == RESTRICTED and check.id in overridden)
                )
                self._ids[level, minor] = ids
                self._functions[level, minor] = tuple(current[name].function for name in ids)

    def evaluate(self, wanted: LevelVersion, pod: PodView) -> list[Violation]:
        """What the pod violates, in upstream's order; nothing at the privileged level."""
        if wanted.level == PRIVILEGED:
            return []
        found = []
        for function in self._functions[wanted.level, self._minor(wanted)]:
            violation = function(pod)
            if violation is not None:
                found.append(violation)
        return found

    def check_ids(self, wanted: LevelVersion) -> tuple[str, ...]:
        """The identifiers of the checks that apply, in order."""
        return () if wanted.level == PRIVILEGED else self._ids[wanted.level, self._minor(wanted)]

    def _minor(self, wanted: LevelVersion) -> int:
        return self.newest if wanted.minor is None or wanted.minor > self.newest else wanted.minor


def _version_at(check: Check, minor: int) -> CheckVersion | None:
    """The form of a check that a policy version uses: the newest not above it."""
    fitting = [version for version in check.versions if version.minor <= minor]
    return fitting[-1] if fitting else None


def join_details(violations: Sequence[Violation]) -> str:
    """The text for a single object: `reason (detail), reason`."""
    return ", ".join(f"{v.reason} ({v.detail})" if v.detail else v.reason for v in violations)


def join_reasons(violations: Sequence[Violation]) -> str:
    """The text for many pods at once: the reasons alone."""
    return ", ".join(v.reason for v in violations)
