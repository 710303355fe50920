"""Whether a node's wish can be carried out at all: every name and value is looked at before anything is written.

Each problem names profile, section, key, value and rule. One problem is enough to refuse the whole wish, so that no
profile is ever applied in parts; TuneD would apply the other entries.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from podsysctl.base.errors import KernelError, ValueSyntaxError
from podsysctl.kernel import procsys, settings, sysfs
from podsysctl.node.tuning.wish import Claim, Wish
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.sysctl_d import Assignment
from podsysctl.sysctls.tuned.folding import fold
from podsysctl.sysctls.tuned.plan import Guard, SysfsSetting
from podsysctl.sysctls.value import parse_number, parse_value, values_equal


def claims_of(wish: Wish, host: Mapping[SysctlName, Assignment]) -> list[Claim]:
    """What a wish comes to once the host's own files are considered: for each name a value, or one bound or two."""
    out: dict[tuple[SysctlName, Guard], Claim] = {}
    for setting in fold(wish.plan.sysctls):
        name, said = setting.name, str(setting.place)
        item = host.get(name) if wish.reapply else None
        if item is not None and item.value is not None:
            beaten = setting.value if item.value != setting.value else ""
            said = f"{item.file}:{item.line}"
            out[name, Guard.NONE] = Claim(wish.node, name, item.value, Guard.NONE, setting.place, said, beaten)
        else:
            out[name, setting.guard] = Claim(wish.node, name, setting.value, setting.guard, setting.place, said)
    return list(out.values())


def problems(wish: Wish, claims: Sequence[Claim], values: Mapping[SysctlName, procsys.Reading]) -> list[str]:
    """Everything that is wrong with a wish. `values` holds what the kernel shows for each of its names."""
    out = [str(problem) for problem in wish.plan.problems]
    for claim in claims:
        out += [f'{claim.said}: {claim.name} = "{claim.value}": {rule}' for rule in _wrong(claim, values[claim.name])]
        out += _against_kubelet(wish, claim)
    for item in wish.requirements:
        reading = values[item.name]
        rule = _unusable(item.name, reading) or ("" if isinstance(reading, str) and _is_number(reading) else _NO_NUMBER)
        if rule:
            out.append(f"{item.place}: {item.name}: {rule}")
    for entry in wish.plan.sysfs:
        if rule := _wrong_file(entry):
            out.append(f"{entry.place}: {entry.path}: {rule}")
    return out


_NO_NUMBER = "is not one number, so it has no bounds"


def _wrong(claim: Claim, reading: procsys.Reading) -> Iterable[str]:
    rule = _unusable(claim.name, reading)
    if rule:
        yield rule
        return
    try:
        parse_value(catalogue.spec_of(claim.name), claim.value)
    except ValueSyntaxError as error:
        yield error.message
        return
    if claim.guard is not Guard.NONE and not (_is_number(claim.value) and _is_number(str(reading))):
        yield f"`{claim.guard}` compares single numbers, and the present value is {str(reading)!r}"


def _unusable(name: SysctlName, reading: procsys.Reading) -> str:
    """Why a parameter cannot be set and put back, whatever the value."""
    if isinstance(reading, KernelError):
        return f"sysctl option {name} will not be set, failed to read the original value. ({reading.message})"
    if "\n" in reading:
        return f"Failed to read sysctl parameter '{name}', multi-line values are unsupported"
    if not procsys.list_entries(name)[0].writable:
        return "is read-only on this kernel"
    return ""


def _wrong_file(entry: SysfsSetting) -> str:
    try:
        for path in sysfs.expand(entry.path):
            sysfs.read(path)
            if not os.stat(path).st_mode & 0o222:
                return f"{path} is read-only on this kernel"
    except KernelError as error:
        return error.message
    except OSError as error:
        return f"{entry.path}: {error.strerror}"
    return ""


def _against_kubelet(wish: Wish, claim: Claim) -> Iterable[str]:
    wanted = settings.KUBELET_VALUES.get(claim.name.dotted)
    if wanted is not None and wish.protects_kernel_defaults and not values_equal(None, claim.value, wanted):
        yield (
            f'{claim.said}: {claim.name} = "{claim.value}": protectKernelDefaults is on in this node\'s kubelet '
            f"configuration, and with it a kubelet does not start unless the value is {wanted}"
        )


def _is_number(text: str) -> bool:
    try:
        parse_number(text.strip())
    except ValueSyntaxError:
        return False
    return True
