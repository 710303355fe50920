"""Finding commands, parsing what is common to them, and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.cli import flags, main, rsh
from tests.cli.conftest import Run

WRITTEN = [c for c in main.COMMANDS if find_spec(f"podsysctl.cli.{c.module}")]


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["get", "pods"], "get", ["pods"]),
        (["-n", "get", "get", "pods"], "get", ["-n", "get", "pods"]),
        (["--namespace=x", "adm", "drain", "n1"], "adm drain", ["--namespace=x", "n1"]),
        (["create", "secret", "generic", "s"], "create secret generic", ["s"]),
        (["create", "-f", "x"], "create", ["-f", "x"]),
    ],
)
def test_find_command_takes_the_longest_match_behind_flags(words: list[str], name: str, rest: list[str]) -> None:
    """Flags may stand before the command, and two words win over one."""
    command, left = main.find_command(words)
    assert command is not None
    assert (command.name, left) == (name, rest)


@pytest.mark.parametrize("command", WRITTEN, ids=lambda c: c.name)
def test_command_has_help_and_parses(command: main.Command) -> None:
    """Every command module keeps the seam: HELP, add_arguments and run."""
    module = import_module(f"podsysctl.cli.{command.module}")
    assert module.HELP
    assert callable(module.run)
    parser = flags.Parser(prog=command.name, allow_abbrev=False)
    module.add_arguments(parser)
    flags.add_global(parser)
    assert "--help" in parser.format_help()


def test_help_names_every_shown_command(run: Run) -> None:
    """`--help` is complete."""
    text = run("--help").out
    assert all(f"  {c.name}" in text for c in main.COMMANDS if c.group)
    assert all(f" {c.help}\n" in text for c in main.COMMANDS if c.group), "a name runs into its help"


def test_help_imports_no_command_and_no_client() -> None:
    """`--help` is quick because it loads nothing heavy."""
    program = (
        "import sys; from podsysctl.cli import main; main.main(['--help']);"
        "print([m for m in sys.modules if m in ('aiohttp', 'asyncio', 'yaml', 'rich')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["gte"], 2, 'error: unknown command "gte" for "podsysctl"\n\nhint: did you mean `get`?\n'),
        (["rollout"], 2, "error: `rollout` needs one of: status, preview, history, undo, restart, pause, resume\n"),
        (["get"], 2, "error: Required resource not specified.\n"),
        (["get", "pods", "--nope"], 2, "error: unrecognized arguments: --nope\n"),
        (["get", "nothings"], 1, 'error: the server doesn\'t have a resource type "nothings"\n'),
        (["get", "pod", "none"], 1, 'Error from server (NotFound): pods "none" not found\n'),
        (["get", "pods", "--as", "nobody"], 3, "Error from server (Forbidden): pods is forbidden: "),
        (["get", "pods", "--kubeconfig", "/none"], 2, "error: cannot read kubeconfig /none: No such file or directory"),
        (["get", "pods", "--server", "http://127.0.0.1:9"], 1, "error: the connection to the server 127.0.0.1:9 was "),
        (
            ["explain", "pod.spec.securityContext.sysctls"],
            2,
            "error: 'pod.spec.securityContext.sysctls' is no file, no KIND/NAME and no kernel parameter\n\n"
            "hint: fields are explained by `kubectl explain pod.spec.securityContext.sysctls`\n",
        ),
        (["rsh"], 2, "error: the following arguments are required: POD\n"),
        (["rsh", "web", "-c", "b"], 2, "error: -c stands behind POD, where the command is\n"),
        (["port-forward", "web", "99999"], 2, "error: invalid port format '99999'\n\nhint: LOCAL:REMOTE, "),
        (["port-forward", "web", "0"], 2, "error: invalid port format '0'\n"),
        (["port-forward", "web", "-5:80"], 2, "error: "),
        (["port-forward", "web", "70000:http"], 2, "error: invalid port format '70000:http'\n"),
        (["apply", "-f", "none.yaml"], 2, 'error: the path "none.yaml" does not exist\n'),
    ],
)
def test_failure_has_exit_code_and_text(run: Run, words: list[str], code: int, text: str) -> None:
    """1 failed, 2 usage, 3 refused by policy; the first line says what is wrong."""
    done = run(*words)
    assert done.code == code
    assert done.err.startswith(text)
    assert done.out == ""


@pytest.mark.parametrize(
    "words",
    ["--help", "get --help", "get ns", "sysctl list", "sysctl get kernel.ostype", "explain fs.nr_open"],
)
@pytest.mark.parametrize(
    ("redirection", "text"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_a_failure_in_one_line(
    api_kubeconfig: Path, words: str, redirection: str, text: str, unbuffered: str
) -> None:
    """A full disk and a closed stdout are told as sysctl(8) tells them, however the text is printed."""
    command = f"{sys.executable} -m podsysctl.cli.main {words} {redirection}"
    environment = {**os.environ, "KUBECONFIG": str(api_kubeconfig), "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr, done.stdout) == (1, f"error: write error: {text}\n", "")


def test_closed_streams_are_nobody_elses() -> None:
    """No file or socket that is opened later gets the number of one of them, and talk to nobody is dropped."""
    program = (
        "import os; from podsysctl.cli import main; code = main.main(['gte']);"
        "print(code, open('/etc/passwd').fileno() > 2, *(os.readlink(f'/proc/self/fd/{n}') for n in range(3)),"
        " file=open(os.environ['OUT'], 'w'))"
    )
    read, write = os.pipe()
    with os.fdopen(read) as out, os.fdopen(write, "w"):
        subprocess.run(
            ["bash", "-c", f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-', program],
            pass_fds=(write,),
            env={**os.environ, "OUT": f"/proc/self/fd/{write}"},
            check=True,
        )
        assert out.readline() == "2 True /dev/null /dev/null /dev/null\n"


def test_flags_with_optional_value_do_not_eat_the_next_word() -> None:
    """`--dry-run web` is a flag and a word, `--dry-run=server` a flag with a value; switches take =false."""
    parser = flags.Parser(allow_abbrev=False)
    flags.add_dry_run(parser)
    flags.add_bool(parser, "--wait", default=True, help="x")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("words", nargs="*")
    args = parser.parse(["a", "--dry-run", "b", "--wait=false", "--force=false", "c"], None)
    assert (args.dry_run, args.words, args.wait, args.force) == ("client", ["a", "b", "c"], False, False)
    assert parser.parse(["--dry-run=server", "--force=true"], None).force


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("-1s", -1)])
def test_parse_duration_reads_go_durations(text: str, seconds: float) -> None:
    """Durations are written as in Go."""
    assert flags.parse_duration(text) == seconds


def test_parse_duration_of_something_else_says_what_it_wants() -> None:
    """A bad duration is a usage error with an example."""
    with pytest.raises(UsageError, match='"soon" is not a duration such as 30s'):
        flags.parse_duration("soon")


@pytest.mark.parametrize(
    "words",
    [
        ("status", "--data-dir", "{empty}"),
        ("image", "list", "--data-dir", "{empty}"),
        ("get", "pods"),
        ("whoami", "--show-server"),
        ("rollout", "preview", "-f", "x.yaml"),
        ("explain", "pod/p"),
    ],
)
def test_command_without_the_cluster_it_needs_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """It is no mistake in the command line, and the hint tells how to start one."""
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    done = run(*(word.format(empty=tmp_path) for word in words))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: no cluster ")
    assert "`podsysctl up`" in done.err


def test_version_without_a_cluster_tells_this_programs_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be told is told; the missing server is an error behind it, and a missing kubeconfig is named."""
    monkeypatch.setenv("KUBECONFIG", "/does/not/exist")
    done = run("version")
    assert done.out.startswith("Client Version: v")
    assert done.err.startswith("error: no cluster is configured: $KUBECONFIG names /does/not/exist, which is not there")
    assert done.code == 1
    assert run("get", "pods").err == done.err
    only = run("--version")
    assert (only.code, only.out, only.err) == (0, done.out, "")


@pytest.mark.parametrize("first", ["image", "rollout", "config", "adm", "node", "set", "auth"])
def test_help_of_a_word_that_needs_another_lists_them(run: Run, first: str) -> None:
    """`podsysctl image --help` is an answer and no mistake."""
    done = run(first, "--help")
    assert (done.code, done.err) == (0, "")
    for command in main.COMMANDS:
        if command.name.startswith(f"{first} ") and (command.group or first == "adm"):
            assert f"  {command.name}  " in done.out
    assert run("help", first).out == done.out


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["web"], []),
        (["-c", "b", "web", "bash", "-c", "exit 3"], ["bash", "-c", "exit 3"]),
        (["-n", "x", "-t", "web", "ls", "-l", "-t"], ["ls", "-l", "-t"]),
    ],
)
def test_rsh_leaves_the_flags_behind_the_pod_to_the_command(words: list[str], left: list[str]) -> None:
    """As oc: flags of rsh stand before the pod."""
    command, rest = main.find_command(["rsh", *words])
    assert command is not None
    args = main.parse(command, rsh, rest)
    assert (args.pod, args.words) == ("web", left)
