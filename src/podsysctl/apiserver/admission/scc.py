"""SecurityContextConstraints: completes pods by the first constraint that admits them, or refuses.

The rules are in `policy/scc/`; here are the stored constraints, who may use them (RBAC), the wait for a new namespace's
ranges, and exec. Source: apiserver-library-go pkg/securitycontextconstraints/sccadmission.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from podsysctl.apiserver import metrics
from podsysctl.apiserver.admission.request import CONNECT, CREATE, UPDATE, AdmissionRequest
from podsysctl.apiserver.auth.rbac import Attributes
from podsysctl.apiserver.auth.user import AUTHENTICATED_GROUP, UserInfo, service_account
from podsysctl.apiserver.store import Store
from podsysctl.base.errors import StatusError, UsageError
from podsysctl.base.versions import parse_kernel_version
from podsysctl.objects.quote import quote
from podsysctl.policy.scc import admit, constraint, ordering
from podsysctl.policy.scc.constraint import Constraint
from podsysctl.policy.scc.namespace_range import NamespaceRanges
from podsysctl.policy.scc.provider import Provider
from podsysctl.policy.verdict import Gate
from podsysctl.sysctls import safe

RANGES_TIMEOUT_S = 10.0
"""Longest wait for a new namespace's ranges, which a controller writes; upstream's bound."""
_RANGES_POLL_S = 0.05
_CACHED_NAMESPACES = 1000
"""Most namespaces whose ready-made constraints are kept; a namespace beyond that costs a millisecond."""

Object = dict[str, Any]


class _Cache:
    """The constraints of one store, parsed once per revision, and made ready once per namespace."""

    def __init__(self) -> None:
        self.revision = -1
        self.constraints: list[Constraint] = []
        self.providers: dict[NamespaceRanges, list[Provider]] = {}


class SecurityContextConstraints:
    """The admission plugin for pods, and for exec and attach."""

    name = "security.openshift.io/SecurityContextConstraint"

    def __init__(self) -> None:
        self._caches: weakref.WeakKeyDictionary[Store, _Cache] = weakref.WeakKeyDictionary()
        self._safe = frozenset(safe.scc_safe(parse_kernel_version(os.uname().release)))

    async def mutate(self, request: AdmissionRequest) -> None:
        """Complete a new pod, or check that an update still fits."""
        if not self._applies(request) or request.object is None:
            return
        old = request.old_object
        if request.operation == UPDATE and old is not None:
            if admit.is_update_ignored(request.object, old):
                return
            if _annotation(request.object, constraint.REQUIRED) != _annotation(old, constraint.REQUIRED):
                text = "invalid change of required security context constraint annotation"
                raise request.forbidden(f"{text}: {constraint.REQUIRED}")
        if await self._is_skipped(request):
            return
        providers = await self._providers(request, _annotation(request.object, constraint.REQUIRED))
        usable = self._usable(request, request.object, request.user)
        if request.operation == CREATE:
            decision = admit.decide_creation(request.object, providers, usable)
        else:
            ephemeral = request.subresource == "ephemeralcontainers"
            decision = admit.decide_update(request.object, providers, usable, ephemeral_only=ephemeral)
        for key, value in decision.audit.items():
            request.audit(key, value)
        if decision.pod is None:
            metrics.refused(request, Gate.CONSTRAINTS, "NoConstraintAdmits")
            raise request.forbidden(decision.denial)
        _replace(request.object, decision.pod)

    async def validate(self, request: AdmissionRequest) -> None:
        """Judge the finished pod again, when nothing may be set any more."""
        if request.operation == CONNECT:
            await self._validate_exec(request)
            return
        if not self._applies(request) or request.object is None:
            return
        if request.operation == UPDATE and admit.is_update_ignored(request.object, request.old_object or {}):
            return
        if await self._is_skipped(request):
            return
        required = _annotation(request.object, constraint.REQUIRED)
        hint = _annotation(request.object, constraint.VALIDATED)
        if required and required != hint:
            raise request.forbidden(f"required scc/{required} does not match the suggested scc/{hint}")
        providers = admit.hinted_order(await self._providers(request, required), hint)
        usable = self._usable(request, request.object, request.user)
        decision = admit.decide_update(request.object, providers, usable)
        if decision.pod is None:
            metrics.refused(request, Gate.CONSTRAINTS, "NoConstraintAdmits")
            raise request.forbidden(decision.second_denial)
        request.audit("securitycontextconstraints.admission.openshift.io/chosen", decision.constraint)

    def complete_template(
        self, request: AdmissionRequest, namespace: Object, template: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """A workload's template as its pods would be completed; as it is when no constraint admits them.

        The service account is asked, since a controller will create the pods.
        """
        if not request.server.config.platform.has_constraints:
            return template
        spec = template.get("spec") or {}
        account = spec.get("serviceAccountName") or "default"
        pod = {**template, "spec": {**spec, "serviceAccountName": account}}
        name = request.namespace
        ranges = NamespaceRanges.parse(name, (namespace.get("metadata") or {}).get("annotations") or {})
        try:
            providers = self._ready(request, ranges)
        except UsageError:
            return template  # without ranges nothing can be completed, and a workload is never refused for it
        decision = admit.decide_creation(
            pod, providers, self._usable(request, pod, service_account(name, account)), audited=False
        )
        if decision.pod is None:
            return template
        return {**template, "spec": decision.pod["spec"]}

    def _applies(self, request: AdmissionRequest) -> bool:
        """Whether this is a pod, or a part of it, that constraints speak about."""
        kind = request.kind
        if (kind.group, kind.plural) != ("", "pods") or request.operation not in (CREATE, UPDATE):
            return False
        if request.subresource in admit.IGNORED_SUBRESOURCES or not request.server.config.platform.has_constraints:
            return False
        spec = (request.object or {}).get("spec") or {}
        return (spec.get("os") or {}).get("name") != "windows"

    async def _is_skipped(self, request: AdmissionRequest) -> bool:
        """Whether the namespace is left alone."""
        if request.namespace in admit.SKIPPED_NAMESPACES:
            return True
        namespace = request.find("", "namespaces", "", request.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        return admit.is_namespace_skipped(request.namespace, labels)

    async def _providers(self, request: AdmissionRequest, required: str) -> list[Provider]:
        """The constraints of the namespace in order, only the required one when the pod names one."""
        cache = self._cache(request)
        names = [c.name for c in cache.constraints]
        missing = admit.missing_standard(names)
        if missing:
            raise request.forbidden(missing)
        if required and required not in names:
            subject = f"securitycontextconstraints.security.openshift.io {quote(required)} not found"
            raise request.forbidden(f"failed to retrieve the required SCC {quote(required)}: {subject}")
        ranges = await self._ranges(request)
        try:
            ready = self._ready(request, ranges)
        except UsageError as error:
            raise request.forbidden(error.message) from error
        return [p for p in ready if not required or p.constraint.name == required]

    def _ready(self, request: AdmissionRequest, ranges: NamespaceRanges) -> list[Provider]:
        """Constraints made ready for a namespace. Raises UsageError when its annotations do not fit."""
        cache = self._cache(request)
        ready = cache.providers.get(ranges)
        if ready is None:
            ready = [Provider(c, ranges, self._safe) for c in cache.constraints]
            if len(cache.providers) >= _CACHED_NAMESPACES:
                cache.providers.clear()
            cache.providers[ranges] = ready
        return ready

    async def _ranges(self, request: AdmissionRequest) -> NamespaceRanges:
        """The namespace's ranges, awaited while a controller has not written them yet."""
        clock = request.server.clock
        deadline = clock.monotonic_s() + RANGES_TIMEOUT_S
        while True:
            namespace = request.find("", "namespaces", "", request.namespace) or {}
            annotations = (namespace.get("metadata") or {}).get("annotations") or {}
            ranges = NamespaceRanges.parse(request.namespace, annotations)
            missing = ranges.missing(annotations)
            if not missing:
                return ranges
            if clock.monotonic_s() >= deadline:
                text = f"error fetching namespace {quote(request.namespace)}: unable to find annotation {missing}"
                raise request.forbidden(text)
            await asyncio.sleep(_RANGES_POLL_S)

    def _cache(self, request: AdmissionRequest) -> _Cache:
        store = request.server.store
        cache = self._caches.setdefault(store, _Cache())
        resource = request.server.registry.get(constraint.GROUP, constraint.PLURAL)
        revision = store.last_revision(resource.bucket)
        if cache.revision != revision:
            parsed = [Constraint.parse(orjson.loads(item.data)) for item in store.range(resource.bucket)]
            cache.constraints = ordering.sort_constraints(parsed)
            cache.providers = {}
            cache.revision = revision
        return cache

    def _usable(self, request: AdmissionRequest, pod: Mapping[str, Any], user: UserInfo) -> admit.Usable:
        """Asks who may use a constraint: the pod's service account first, then the user."""
        account = (pod.get("spec") or {}).get("serviceAccountName") or ""
        namespace = request.namespace
        authorizer = request.server.authorizer

        def may_use(subject: UserInfo, asked: Constraint) -> bool:
            if subject.name in asked.users or not asked.groups.isdisjoint(subject.groups):
                return True
            question = Attributes(subject, "use", constraint.GROUP, "v1", constraint.PLURAL, "", namespace, asked.name)
            return authorizer.authorize(question).allowed

        # Upstream asks for the bare account here: what every authenticated user may use is the user's.
        full = service_account(namespace, account) if account else None
        of_pod = replace(full, groups=tuple(g for g in full.groups if g != AUTHENTICATED_GROUP)) if full else None

        def usable(asked: Constraint) -> str:
            if of_pod is not None and may_use(of_pod, asked):
                return admit.FOR_SERVICE_ACCOUNT
            return admit.FOR_USER if may_use(user, asked) else admit.FOR_NOBODY

        return usable

    async def _validate_exec(self, request: AdmissionRequest) -> None:
        """Refuse exec and attach into a pod that the user could not have created."""
        kind = request.kind
        if (kind.group, kind.plural) != ("", "pods") or request.subresource not in ("exec", "attach"):
            return
        if not request.server.config.platform.has_constraints or await self._is_skipped(request):
            return
        pod = request.find("", "pods", request.namespace, request.name)
        if pod is None:
            return  # the handler answers 404
        try:
            providers = await self._providers(request, _annotation(pod, constraint.REQUIRED))
            usable = self._usable(request, pod, request.user)
            decision = admit.decide_creation(pod, providers, usable, audited=False)
            problem = request.forbidden(decision.denial).message if decision.pod is None else ""
        except StatusError as error:
            problem = error.message
        if problem:
            text = "operation is not allowed because the pod's security context exceeds your permissions"
            raise request.forbidden(f"{request.subresource} {text}: {problem}")


def _annotation(obj: Mapping[str, Any], key: str) -> str:
    value: str = ((obj.get("metadata") or {}).get("annotations") or {}).get(key) or ""
    return value


def _replace(obj: Object, new: Object) -> None:
    """Give an object another's annotations and spec, in place, since callers hold its parts."""
    spec, annotations = new["spec"], new["metadata"].get("annotations")
    held = obj["spec"]
    held.clear()
    held.update(spec)
    if annotations:
        obj["metadata"]["annotations"] = annotations
