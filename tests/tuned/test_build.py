"""From texts to a plan: includes, merging, variables, functions, and every entry checked before anything is written."""

from __future__ import annotations

import pytest

from podsysctl.sysctls.tuned import shipped
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import Guard, MachineFacts, Plan, ProfileError

FACTS = MachineFacts(cpus=(0, 1, 2, 3))


def plan(shipped: dict[str, str] | None = None, /, **profiles: str) -> Plan:
    """The plan of profile `a` among these."""
    return build_plan("a", profiles, FACTS, shipped or {})


def sysctls(found: Plan) -> dict[str, str]:
    """Values by name, with their guards; the plan must have no problem."""
    assert found.problems == ()
    return {setting.name.dotted: f"{setting.guard}{setting.value}" for setting in found.sysctls}


def problems(found: Plan) -> list[str]:
    """What cannot be applied, in words."""
    return [str(problem) for problem in found.problems]


def test_child_overrides_parent_key_by_key_in_the_parents_place() -> None:
    """A section of the same name is merged; order is that of first mention."""
    found = plan(
        a="[main]\ninclude=b\n[sysctl]\nvm.swappiness=1\nvm.laptop_mode=5\n",
        b="[sysctl]\nvm.swappiness=60\nvm.dirty_ratio=20\n",
    )
    assert list(sysctls(found).items()) == [("vm.swappiness", "1"), ("vm.dirty_ratio", "20"), ("vm.laptop_mode", "5")]
    assert found.profiles == ("b", "a")
    assert (found.sysctls[0].place.profile, found.sysctls[1].place.profile) == ("a", "b")


@pytest.mark.parametrize("separator", [",", ";", " , ", "; "])
def test_include_lists_are_loaded_in_order(separator: str) -> None:
    """Comma and semicolon separate; the later include overrides."""
    found = plan(a=f"[main]\ninclude=b{separator}c\n", b="[sysctl]\nvm.swappiness=1\n", c="[sysctl]\nvm.swappiness=2\n")
    assert found.profiles == ("b", "c", "a")
    assert sysctls(found) == {"vm.swappiness": "2"}


def test_include_of_an_absent_profile_is_refused_unless_optional() -> None:
    """TuneD's own text names what is missing; a dash makes it optional."""
    assert plan(a="[main]\ninclude=-nowhere\n").profiles == ("a",)
    with pytest.raises(ProfileError) as caught:
        plan(a="[main]\ninclude=nowhere\n")
    assert caught.value.message == (
        "Cannot load profile(s) 'a': Cannot find profile 'nowhere' in "
        "'['/var/lib/ocp-tuned/profiles', '/usr/lib/tuned/profiles']'."
    )
    assert caught.value.hint == "it is included by profile a, section [main], include (line 2)"


def test_absent_profile_is_refused_in_tuneds_words() -> None:
    """The chosen profile itself must exist."""
    with pytest.raises(ProfileError, match=r"^Requested profile 'a' doesn't exist\.$"):
        plan(b="[main]\n")


def test_unreadable_profile_is_refused_and_the_line_named() -> None:
    """TuneD names the file, the hint adds what it keeps to itself."""
    with pytest.raises(ProfileError) as caught:
        plan(a="[sysctl]\nvm.swappiness 5\n")
    path = "/var/lib/ocp-tuned/profiles/a/tuned.conf"
    assert caught.value.message == f"Cannot load profile(s) 'a': Cannot parse '{path}'."
    assert caught.value.hint.startswith("profile a, line 2: 'vm.swappiness 5' is neither")


def test_own_name_includes_the_shipped_namesake() -> None:
    """The copy in the next directory is meant, and no text is loaded twice."""
    found = plan(
        {"a": "[sysctl]\nvm.swappiness=1\nvm.dirty_ratio=3\n"}, a="[main]\ninclude=a\n[sysctl]\nvm.swappiness=2\n"
    )
    assert found.profiles == ("a", "a")
    assert sysctls(found) == {"vm.swappiness": "2", "vm.dirty_ratio": "3"}


def test_cycle_of_includes_loads_each_profile_once() -> None:
    """A profile that is being loaded is skipped, not an error."""
    found = plan(a="[main]\ninclude=b\n", b="[main]\ninclude=a,c\n", c="[main]\ninclude=b\n")
    assert found.profiles == ("c", "b", "a")


def test_includes_too_deep_are_refused() -> None:
    """A chain has a bound."""
    chain = {f"p{i}": f"[main]\ninclude=p{i + 1}\n" for i in range(40)} | {"p40": ""}
    with pytest.raises(ProfileError, match="is one include too many"):
        plan(a="[main]\ninclude=p0\n", **chain)


def test_replace_drop_and_enabled() -> None:
    """replace starts anew, drop removes keys, enabled=false switches a section off, and saying nothing on again."""
    base = "[sysctl]\nvm.swappiness=1\nvm.dirty_ratio=2\nvm.laptop_mode=3\n"
    assert sysctls(plan(a="[main]\ninclude=b\n[sysctl]\nreplace=1\nvm.dirty_ratio=4\n", b=base)) == {
        "vm.dirty_ratio": "4"
    }
    dropped = plan(a="[main]\ninclude=b\n[sysctl]\ndrop=vm.swappiness, vm.laptop_mode\n", b=base)
    assert sysctls(dropped) == {"vm.dirty_ratio": "2"}
    assert sysctls(plan(a="[main]\ninclude=b\n[sysctl]\nenabled=false\n", b=base)) == {}
    again = plan(a="[main]\ninclude=b\n[sysctl]\n", b="[sysctl]\nenabled=0\nvm.swappiness=1\n")
    assert sysctls(again) == {"vm.swappiness": "1"}


def test_variables_are_evaluated_after_merging() -> None:
    """A child's variable changes what the parent writes; an escaped one stays literal."""
    found = plan(
        a="[main]\ninclude=b\n[variables]\nn=7\n",
        b="[variables]\nn=1\nm=${n}${n}\n[sysctl]\nvm.swappiness=${m}\nkernel.core_pattern=\\${n}\n",
    )
    assert sysctls(found) == {"vm.swappiness": "77", "kernel.core_pattern": "${n}"}


def test_undefined_variable_is_a_problem_where_it_is_used() -> None:
    """TuneD would write the text itself."""
    assert problems(plan(a="[sysctl]\nvm.swappiness=${n}\n")) == [
        "profile a, section [sysctl], vm.swappiness (line 2): variable ${n} is not defined"
    ]


def test_variables_that_double_each_other_are_stopped() -> None:
    """A value has a bound, whatever it is made of."""
    lines = "\n".join(f"v{i}=${{v{i - 1}}}${{v{i - 1}}}" for i in range(1, 60))
    (problem,) = plan(a=f"[variables]\nv0=xxxxxxxx\n{lines}\n[sysctl]\nkernel.core_pattern=${{v59}}\n").problems
    assert "expands to more than 16384 characters" in problem.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${f:strip: 1 :2 }", "1 2"),
        ("${f:regex_search_ternary:abc:^a.c$:yes:no}", "yes"),
        ("${f:regex_search_ternary:abd:^a.c$:yes:no}", "no"),
        ("${f:virt_check:vm:metal}", "metal"),
        ("${f:calc_isolated_cores:2}", "2,3"),
        ("${f:cpulist_invert:0-1}", "2,3"),
        ("${f:cpulist_present:0,2-9}", "0,2,3"),
        ("${f:cpulist_online:1-9}", "1,2,3"),
        ("${f:cpulist_pack:0,1,2,5}", "0-2,5"),
        ("${f:cpulist_unpack:0-5:^3}", "0,1,2,4,5"),
        ("${f:cpulist2hex:0-3,33}", "00000002,0000000f"),
        ("${f:cpulist2hex_invert:0}", "0000000e"),
        ("${f:cpulist2devs:0-1}", "cpu0,cpu1"),
        ("${f:hex2cpulist:0xf0}", "4,5,6,7"),
        ("${f:kb2s:4}", "8"),
        ("${f:s2kb:8}", "4"),
        ("a${f:strip:b\\:c:${f:strip:d}}e", "ab:cde"),
        ("\\${f:strip:x}", "${f:strip:x}"),
    ],
)
def test_functions_answer(text: str, value: str) -> None:
    """Each function's answer; inner ones first; colons and dollars can be escaped."""
    assert sysctls(plan(a=f"[sysctl]\nkernel.core_pattern={text}\n")) == {"kernel.core_pattern": value}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${f:exec:/bin/true}", "function 'exec' is not evaluated: it runs a program as root"),
        ("${f:nope}", "function 'nope' not implemented"),
        ("${f:kb2s}", "invalid number of arguments for builtin function 'kb2s'"),
        ("${f:kb2s:x}", "'x' is not a number"),
        ("${f:hex2cpulist:xyz}", "invalid hexadecimal mask 'xyz'"),
        ("${f:cpulist_unpack:0-99999}", "'0-99999' is no list of processors up to 8191"),
        ("1}", "invalid variable syntax, non pair '}' in: '1}'"),
        ("${f:kb2s:1", "invalid variable syntax, non pair '{' in: '${f:kb2s:1'"),
    ],
)
def test_functions_without_an_answer_are_problems(text: str, problem: str) -> None:
    """Also when the text reaches the setting through a variable."""
    assert problems(plan(a=f"[sysctl]\nkernel.core_pattern={text}\n"))[0].endswith(f": {problem}")
    (found,) = plan(a=f"[variables]\nv={text}\n[sysctl]\nkernel.core_pattern=${{v}}\n").problems
    assert found.message == f"variable v of profile a, section [variables], v (line 2): {problem}"


def test_failed_assertion_refuses_the_profile() -> None:
    """Assertions among the variables are what profiles use to refuse a wrong configuration."""
    with pytest.raises(ProfileError, match=r"^Cannot load profile\(s\) 'a': Assertion 'set it' failed\.$"):
        plan(a="[variables]\nx=\ncheck=${f:assertion_non_equal:set it:${x}:}\n")
    assert plan(a="[variables]\nx=1\ncheck=${f:assertion_non_equal:set it:${x}:}\n").problems == ()


def test_values_lose_quotes_and_guards() -> None:
    """Quotes go first, then variables are filled in, then the guard is read."""
    text = '[variables]\ng=>5\n[sysctl]\nvm.swappiness=${g}\nvm.dirty_ratio="<7"\nnet.ipv4.tcp_rmem="1 2 3"\n'
    found = plan(a=text)
    assert [(s.value, s.guard) for s in found.sysctls] == [
        ("5", Guard.RAISE),
        ("7", Guard.LOWER),
        ("1 2 3", Guard.NONE),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("vm.swappiness=>x", "vm.swappiness: > compares numbers, and 'x' is none"),
        ("net.ipv4.tcp_rmem=>5", "net.ipv4.tcp_rmem: > compares one number, and this parameter is a vector"),
        ("vm.swappiness=300", "vm.swappiness: 300 is above 200"),
        ("vm.swappiness=", "vm.swappiness: takes one number, no value was given"),
        ("vm/swappiness=1", "dots separate the parts of a key, slashes stand for dots; write vm.swappiness"),
        ("vm..x=1", "sysctl name 'vm..x' has an empty part"),
        ("vm.swappiness=1\n vm.dirty_ratio=2", "the value has several lines: 'vm.dirty_ratio=2' below it is indented"),
        (
            "net.ipv4.neigh.eth0.base_reachable_time=5",
            "Refusing to set deprecated sysctl option net.ipv4.neigh.eth0.base_reachable_time",
        ),
        ("net.ipv4.conf.eth0.100.rp_filter=1", "write net.ipv4.conf.eth0/100.rp_filter"),
    ],
)  # fmt: skip
def test_wrong_entries_are_problems_that_name_place_and_rule(line: str, problem: str) -> None:
    """The entry is left out of the settings, the others stay."""
    found = plan(a=f"[sysctl]\n{line}\n[other]\ntype=sysctl\nvm.laptop_mode=1\n")
    assert [setting.name.dotted for setting in found.sysctls] == ["vm.laptop_mode"]
    (text,) = problems(found)
    assert text.startswith("profile a, section [sysctl], ")
    assert problem in text


def test_interface_with_a_dot_is_spelled_with_a_slash() -> None:
    """TuneD swaps dots and slashes."""
    (setting,) = plan(a="[sysctl]\nnet.ipv4.conf.eth0/100.rp_filter=2\n").sysctls
    assert setting.name.path == "net/ipv4/conf/eth0.100/rp_filter"


def test_sections_go_by_priority_type_and_machine() -> None:
    """Instances are applied by priority; those for another machine are left out."""
    text = (
        "[sysctl]\nvm.swappiness=1\n"
        "[early]\ntype=sysctl\npriority=-5\nvm.swappiness=2\n"
        "[arm]\ntype=sysctl\nuname_regex=aarch64\nvm.swappiness=3\n"
        "[linux]\ntype=sysctl\nuname_regex=^Linux\nvm.dirty_ratio=4\n"
    )
    found = build_plan("a", {"a": text}, MachineFacts(uname="Linux node 6.1 x86_64"), {})
    assert [(s.name.dotted, s.value) for s in found.sysctls] == [
        ("vm.swappiness", "2"), ("vm.swappiness", "1"), ("vm.dirty_ratio", "4"),
    ]  # fmt: skip


def test_sections_that_are_not_applied_are_told() -> None:
    """Never in silence; disabled ones are not asked for."""
    found = plan(
        a="[bootloader]\ncmdline=x\n[off]\ntype=cpu\nenabled=0\n[mine]\nx=1\n[sysctl]\nscript_pre=x\nvm.swappiness=1\n"
    )
    assert [(left.section, left.type) for left in found.not_applied] == [
        ("bootloader", "bootloader"), ("mine", "mine"), ("sysctl", "script_pre"),
    ]  # fmt: skip
    assert sysctls(found) == {"vm.swappiness": "1"}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/etc/passwd", "only files below /sys are set here"),
        ("/sys/../etc/passwd", "the path has an empty part, `.` or `..`"),
        ("/sys/*/state", "the first directory below /sys must be written out"),
        ("/sys/power/state", "it changes the power state of the whole machine"),
        ("/sys/class/net/eth0/device/remove", "it removes a device"),
    ],
)
def test_sysfs_outside_what_is_safe_is_a_problem(path: str, problem: str) -> None:
    """Files that act instead of tune are refused, too."""
    found = plan(a=f"[sysfs]\n{path}=1\n/sys/module/*/parameters/x=2\n")
    assert [(s.path, s.value) for s in found.sysfs] == [("/sys/module/*/parameters/x", "2")]
    assert problems(found)[0].endswith(problem)


def test_variables_of_a_file_are_read_from_the_facts() -> None:
    """`include` among the variables names a file of the machine."""
    text = "[variables]\ninclude=/etc/tuned/v.conf\n[sysctl]\nvm.swappiness=${n}\n"
    facts = MachineFacts(files=(("/etc/tuned/v.conf", "# note\nn=9\n"),))
    assert sysctls(build_plan("a", {"a": text}, facts, {})) == {"vm.swappiness": "9"}
    assert "unable to find variables_file: '/etc/tuned/v.conf'" in problems(plan(a=text))[0]


@pytest.mark.parametrize("name", sorted(shipped.PROFILES))
@pytest.mark.parametrize("virtualization", ["none", "kvm"])
def test_shipped_profiles_have_no_problem(name: str, virtualization: str) -> None:
    """On virtual and on real machines."""
    found = build_plan(name, {}, MachineFacts(virtualization=virtualization))
    assert found.problems == ()
    assert found.profile == name


def test_shipped_node_profile_differs_on_virtual_machines() -> None:
    """OpenShift's chain takes one of two parents."""
    real = build_plan("openshift-node", {}, MachineFacts())
    virtual = build_plan("openshift-node", {}, MachineFacts(virtualization="kvm"))
    assert real.profiles == ("throughput-performance", "network-throughput", "openshift", "openshift-node")
    assert virtual.profiles == ("throughput-performance", "virtual-guest", "openshift", "openshift-node")
    assert (sysctls(real)["vm.swappiness"], sysctls(virtual)["vm.swappiness"]) == ("10", "30")
    assert sysctls(real)["kernel.pid_max"] == ">4194304"
