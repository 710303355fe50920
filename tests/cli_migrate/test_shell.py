"""What a container's command sets: every shape that is understood, and every one that must not be guessed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podsysctl.policy.migration import shell_syntax
from podsysctl.policy.migration.shell import Files, effects_of

MAP = "vm.max_map_count"
BITNAMI_ELASTICSEARCH = """\
CURRENT=`sysctl -n vm.max_map_count`;
DESIRED="262144";
if [ "$DESIRED" -gt "$CURRENT" ]; then
    sysctl -w vm.max_map_count=262144;
fi;
CURRENT=`sysctl -n fs.file-max`;
DESIRED="65536";
if [ "$DESIRED" -gt "$CURRENT" ]; then
    sysctl -w fs.file-max=65536;
fi;
"""
OPENSEARCH = """\
set -xe
DESIRED="262144"
CURRENT=$(sysctl -n vm.max_map_count)
if [ "$DESIRED" -gt "$CURRENT" ]; then
  sysctl -w vm.max_map_count=$DESIRED
fi
"""
REDIS = """\
install_packages procps
sysctl -w net.core.somaxconn=10000
echo never > /host-sys/kernel/mm/transparent_hugepage/enabled
"""


def script(text: str, **container: object) -> dict[str, object]:
    """A container that runs a script."""
    return {"command": ["sh", "-c", text], **container}


@pytest.mark.parametrize(
    ("container", "writes"),
    [
        ({"command": ["sysctl", "-w", "a.b=1"]}, [("a.b", "1", "")]),
        ({"command": ["/sbin/sysctl", "-q", "-w", "a.b=1", "c.d=2"]}, [("a.b", "1", ""), ("c.d", "2", "")]),
        ({"command": ["sysctl"], "args": ["-w", "a.b=1"]}, [("a.b", "1", "")]),
        ({"command": ["sysctl", "-qw", "a.b=4 5 6"]}, [("a.b", "4 5 6", "")]),
        ({"command": ["sysctl", "--write", "--ignore", "a/b=1"]}, [("a/b", "1", "")]),
        ({"command": ["busybox", "sysctl", "-w", "a.b=1"]}, [("a.b", "1", "")]),
        ({"command": ["sysctl", "-w", "a.b=$(N)"], "env": [{"name": "N", "value": "7"}]}, [("a.b", "7", "")]),
        (script("sysctl -w a.b=1 && sysctl -w c.d=2"), [("a.b", "1", ""), ("c.d", "2", "")]),
        (script("sysctl -w a.b=1; sysctl -w c.d=2 || true\n# done\nexit 0"), [("a.b", "1", ""), ("c.d", "2", "")]),
        ({"command": ["/bin/bash", "-exc", "sysctl -w a.b='1 2'"]}, [("a.b", "1 2", "")]),
        ({"command": ["bash", "-e", "-c", 'sysctl -w "a.b=1" > /dev/null 2>&1']}, [("a.b", "1", "")]),
        (script("echo 1 > /proc/sys/a/b"), [("a.b", "1", "")]),
        (script("echo -n '4 5' >/proc/sys/net/ipv4/x"), [("net.ipv4.x", "4 5", "")]),
        (script("echo 1 | tee /proc/sys/a/b >/dev/null"), [("a.b", "1", "")]),
        (script("printf '%s' 1 > /proc/sys/net/ipv4/conf/eth0.1/x"), [("net.ipv4.conf.eth0/1.x", "1", "")]),
        (script("N=5; export M=$N; sysctl -w a.b=${M}0"), [("a.b", "50", "")]),
        (script("sysctl -w a.b=${N:-7}"), [("a.b", "7", "")]),
        (script("sysctl -w a.b=$N", env=[{"name": "N", "value": "9"}]), [("a.b", "9", "")]),
        (script("if sysctl -w a.b=1; then echo ok; else exit 1; fi"), [("a.b", "1", "")]),
        (script("exec 2>&1; sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("sysctl -w $S", env=[{"name": "S", "value": "a.b=1 c.d=2"}]), [("a.b", "1", ""), ("c.d", "2", "")]),
        (script('sysctl -w "a.b=$S"', env=[{"name": "S", "value": "1 2"}]), [("a.b", "1 2", "")]),
        (script("sysctl -w a.b=${N:-7}", env=[{"name": "N", "value": ""}]), [("a.b", "7", "")]),
        (script("sysctl -w a.b=${N-7}", env=[{"name": "N", "value": ""}]), [("a.b", "", "")]),
        (script("N=1; N=2 true; sysctl -w a.b=$N"), [("a.b", "1", "")]),
        (script("export N; sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("trap 'exit 0' TERM; trap - INT; sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("command -v sysctl >/dev/null || apk add procps; sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("echo -e '4\\t5' > /proc/sys/a/b; printf '4\\t5\\n' > /proc/sys/c/d"),
         [("a.b", "4\t5", ""), ("c.d", "4\t5", "")]),
        ({"command": ["sh", "-c", "N=3; sysctl -w a.b=$$N"]}, [("a.b", "3", "")]),
        (script("[ -w /proc/sys/a/b ] && sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("if [ -w /proc/sys/a/b ]; then [ $(sysctl -n a.b) -lt 5 ] && sysctl -w a.b=5; fi"),
         [("a.b", "5", ">")]),
        (script("mount -o remount,rw /proc/sys && sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("apk add --no-cache procps && sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("apt-get update && apt-get install -y procps && sysctl -w a.b=1"), [("a.b", "1", "")]),
        (script("(sysctl -w a.b=1) ; { sysctl -w c.d=2; }"), [("a.b", "1", ""), ("c.d", "2", "")]),
        (script("sh -c 'sysctl -w a.b=1'"), [("a.b", "1", "")]),
        (script(BITNAMI_ELASTICSEARCH), [(MAP, "262144", ">"), ("fs.file-max", "65536", ">")]),
        (script(OPENSEARCH), [(MAP, "262144", ">")]),
        (script(REDIS), [("net.core.somaxconn", "10000", "")]),
        (script("[ $(cat /proc/sys/a/b) -ge 5 ] || sysctl -w a.b=5"), [("a.b", "5", ">")]),
        (script("test $(sysctl -n a.b) -lt 9 && echo low && sysctl -w a.b=9"), [("a.b", "9", ">")]),
        (script("V=$(sysctl a.b | awk '{print $3}'); if [ $V -gt 5 ]; then sysctl -w a.b=5; fi"), [("a.b", "5", "<")]),
        (script("if [ ! $(sysctl -n a.b) -ge 5 ]; then sysctl -w a.b=5; fi"), [("a.b", "5", ">")]),
        (script("if [ $(sysctl -n a.b) != 5 ]; then sysctl -w a.b=5; fi"), [("a.b", "5", "")]),
    ],
)
def test_understood_command_gives_its_writes(container: dict[str, object], writes: list[tuple[str, str, str]]) -> None:
    """Name, value and guard of everything it writes, and that it does nothing else."""
    found = effects_of(container, Files({"/host-sys": "/sys"}))
    assert [(w.name, w.value, w.guard) for w in found.writes] == writes
    assert found.unclear == []


@pytest.mark.parametrize(
    ("container", "part"),
    [
        (script("sysctl -w a.b=1; chown -R 1000 /data"), "it runs chown"),
        (script("sysctl -w a.b=$COUNT"), "known only when it runs"),
        (script("sysctl -w a.b=$N", env=[{"name": "N", "valueFrom": {"fieldRef": {}}}]), "known only when it runs"),
        (script("sysctl -w a.b=${N:-1}", envFrom=[{"configMapRef": {"name": "c"}}]), "known only when it runs"),
        (script("sysctl -w a.b=$(nproc)"), "known only when it runs"),
        (script("N=5 sysctl -w a.b=$N"), "known only when it runs"),
        (script("sysctl -w a.b=${1:-5}"), "is not read"),
        (script("sysctl -w a.b=$'5'"), "is not read"),
        (script("sysctl -w a.{b,c}=5"), "known only when it runs"),
        (script("sysctl -w a.*.c=5"), "known only when it runs"),
        (script("echo 1 > /proc/sys/a/*/c"), "known only when it runs"),
        (script("{ echo 1; echo 2; } | tee /proc/sys/a/b"), "known only when it runs"),
        (script("echo '1\\t2' > /proc/sys/a/b"), "what echo writes"),
        (script("trap 'sysctl -w a.b=1' EXIT; sysctl -w c.d=1"), "a trap that does something"),
        (script("exec >/etc/hosts; sysctl -w a.b=1"), "it writes /etc/hosts"),
        (script("if [ $(sysctl -n a.b) -gt 5 ]; then [ $(sysctl -n a.b) -lt 5 ] && sysctl -w a.b=5; fi"), "exclude"),
        (script("( ls /data ) && sysctl -w a.b=1"), "under a condition"),
        (script("X=$(sysctl -n a.b); sysctl -w a.b=3; [ $X -ne 5 ] && sysctl -w a.b=5"), "has written it"),
        ({"command": ["sysctl", "-w", "a.b=$(N)"], "env": [{"name": "N", "valueFrom": {}}]}, "known only when it runs"),
        (script("sysctl -p /etc/sysctl.d/x.conf"), "reads files"),
        (script("sysctl --system"), "reads files"),
        (script("echo a.b=1 > /etc/hosts"), "it writes /etc/hosts"),
        (script('[ "$X" = 1 ] && sysctl -w a.b=1'), "under a condition"),
        (script("if [ $(id -u) = 0 ]; then sysctl -w a.b=1; fi"), "under a condition"),
        (script("! true && sysctl -w a.b=1"), "under a condition"),
        (script("false || sysctl -w a.b=1"), ""),
        (script("sysctl -w a.b=2 || [ 1 -eq $(sysctl -n a.b) ] || sysctl -w a.b=1"), "under a condition"),
        (script("( [ 1 -lt 2 ] ) && sysctl -w a.b=1"), "under a condition"),
        (script("( X=1 ) && sysctl -w a.b=$X"), "known only when it runs"),
        (script("[ $Y -lt 2 ] && X=1; sysctl -w a.b=$X"), "known only when it runs"),
        (script("[ 5 -gt $(sysctl -n a.b) ] || echo no && sysctl -w a.b=5"), "under a condition"),
        (script("if [ $(sysctl -n a.b) -ge 5 ]; then exit 0; fi; sysctl -w a.b=5"), "unless the script has ended"),
        (script("set -e; [ $(sysctl -n a.b) -lt 5 ]; sysctl -w a.b=5"), "unless the script has ended"),
        (script("sysctl -w a.b=3; [ $(sysctl -n a.b) -lt 5 ] && sysctl -w a.b=5"), "has written it"),
        (script("sysctl -w a.b=1 || sysctl -w a.b=2"), "only when a command fails"),
        (script("if [ $(sysctl -n a.b) -lt 5 ]; then sysctl -w a.b=9; fi"), "compared with another value"),
        (script("if [ $(sysctl -n a.b) -lt 5 ]; then sysctl -w c.d=5; fi"), "depends on the present a.b"),
        (script("for n in 1 2; do sysctl -w a.b=$n; done"), "`for` is not read"),
        (script("cat <<EOF\nx\nEOF\nsysctl -w a.b=1"), "here documents"),
        (script("f() { sysctl -w a.b=1; }; f"), "functions are not read"),
        (script("while ! sysctl -w a.b=1; do sleep 1; done"), "a loop whose end"),
        (script("sysctl -w 'a.b=1"), "missing"),
        (script("apk add curl && sysctl -w a.b=1"), "installs curl"),
        (script("nsenter -t 42 -n sysctl -w a.b=1"), "nsenter into something else"),
        (script("sysctl -w a.b=$((1024*4))"), "arithmetic"),
        ({"command": ["sh", "/scripts/tune.sh"]}, "not in the manifest"),
        ({"image": "tuner"}, "its image's own command"),
        ({"command": ["sysctl"]}, "without a name"),
    ],
)
def test_unclear_command_is_not_guessed(container: dict[str, object], part: str) -> None:
    """Something in it is not certain: then it says so, and the container is never taken for one that only sets."""
    found = effects_of(container)
    assert not found.only_sets
    assert any(part in text for text in found.unclear), found.unclear


def test_nsenter_tells_whose_namespaces_are_meant() -> None:
    """In the node's own network namespace the value is the node's; with -a in all of them."""
    [net] = effects_of({"command": ["nsenter", "-t", "1", "-m", "-n", "--", "sysctl", "-w", "a.b=1"]}).writes
    [every] = effects_of({"command": ["nsenter", "--target=1", "--all", "sh", "-c", "sysctl -w a.b=1"]}).writes
    [mount] = effects_of({"command": ["nsenter", "-t", "1", "-m", "sysctl", "-w", "a.b=1"]}).writes
    assert (net.host_net, net.host_ipc) == (True, False)
    assert (every.host_net, every.host_ipc) == (True, True)
    assert (mount.host_net, mount.host_ipc) == (False, False)
    [ipc] = effects_of({"command": ["nsenter", "-i/proc/1/ns/ipc", "sysctl", "-w", "a.b=1"]}).writes
    assert (ipc.host_net, ipc.host_ipc) == (False, True)


def test_files_of_sys_are_told_apart() -> None:
    """Transparent huge pages are no sysctl; a mounted /sys is the node's."""
    found = effects_of(script(REDIS), Files({"/host-sys": "/sys"}))
    assert found.sysfs == [("/sys/kernel/mm/transparent_hugepage/enabled", "never")]


SONARQUBE = """\
if [[ "$(sysctl -n vm.max_map_count)" -lt 524288 ]]; then
  sysctl -w vm.max_map_count=524288
fi
if [[ "$(ulimit -n)" != "unlimited" ]]; then
  if [[ "$(ulimit -n)" -lt 131072 ]]; then
    echo "ulimit -n 131072"
    ulimit -n 131072
  fi
fi
"""


@pytest.mark.parametrize("command", [["/bin/bash", "-e", "/tmp/scripts/init.sh"], ["/tmp/scripts/init.sh"]])
def test_script_of_a_config_map_is_read(command: list[str]) -> None:
    """SonarQube's chart keeps its script there; with arguments, or from elsewhere, it is not known."""
    files = Files(texts={"/tmp/scripts/init.sh": SONARQUBE})
    found = effects_of({"command": command}, files)
    assert [(w.name, w.value, w.guard) for w in found.writes] == [(MAP, "524288", ">")]
    assert found.only_sets
    assert not effects_of({"command": [*command, "more"]}, files).only_sets
    assert not effects_of({"command": command}).only_sets


def test_settings_file_of_the_container_itself_means_nothing() -> None:
    """Unless something is mounted there: then it may be the node's."""
    text = "sysctl -w a.b=1; echo a.b=1 >> /etc/sysctl.conf"
    found = effects_of(script(text))
    assert found.only_sets
    assert found.notes == ["/etc/sysctl.conf is written in the container's own file system, where nobody reads it"]
    assert not effects_of(script(text), Files(mounted=("/etc",))).only_sets


def test_waiting_and_repeating_are_told_apart() -> None:
    """Which containers only wait afterwards, and which write again and again."""
    assert effects_of(script("sysctl -w a.b=1; sleep infinity")).idles
    assert effects_of(script("sysctl -w a.b=1 && tail -f /dev/null")).idles
    assert effects_of(script("sysctl -w a.b=1 && cat")).idles
    assert not effects_of(script("sysctl -w a.b=1; sleep 2")).idles
    loop = effects_of(script("while true; do sysctl -q -w a.b=1; sleep 60; done"))
    assert (loop.idles, loop.repeats, loop.unclear) == (True, True, [])


def test_ulimit_is_told_to_change_nothing() -> None:
    """It ends with the init container."""
    found = effects_of(script("sysctl -w a.b=1; ulimit -n 65536"))
    assert found.only_sets
    assert "ends with the container" in found.notes[0]


@given(st.text(alphabet="ab=.$'\"`(){}[]|&;<> \n\\!#-1if", max_size=60))
@settings(max_examples=300)
@example("`<1`")
def test_any_script_is_read_or_refused(text: str) -> None:
    """Whatever stands there, the answer is effects or a reason, never a crash."""
    with contextlib.suppress(shell_syntax.ShellSyntaxError):
        shell_syntax.parse(text)
    found = effects_of(script(text))
    assert found.only_sets or found.unclear or found.changes_nothing
