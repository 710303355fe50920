"""`completion bash|zsh|fish`: scripts that ask `podsysctl __complete` what may come next."""

from __future__ import annotations

import argparse
import sys

HELP = """Print a completion script.

examples:
  source <(podsysctl completion bash)
  podsysctl completion zsh > "${fpath[1]}/_podsysctl"
  podsysctl completion fish > ~/.config/fish/completions/podsysctl.fish"""

SCRIPTS = {
    "bash": """\
_podsysctl() {
  local IFS=$'\\n'
  local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(podsysctl __complete -- "${words[@]}" 2>/dev/null))
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
    compopt -o nospace
  fi
}
complete -o default -F _podsysctl podsysctl
""",
    "zsh": """\
#compdef podsysctl
_podsysctl() {
  local -a found
  found=("${(@f)$(podsysctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then
    compadd -- "${found[@]}"
  else
    _files
  fi
}
compdef _podsysctl podsysctl
""",
    "fish": """\
function __podsysctl_complete
  set -l words (commandline -opc) (commandline -ct)
  podsysctl __complete -- $words[2..-1] 2>/dev/null
end
complete -c podsysctl -a '(__podsysctl_complete)'
""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `completion`."""
    parser.add_argument("shell", choices=sorted(SCRIPTS), help="the shell")


def run(args: argparse.Namespace) -> int:
    """Run `completion`."""
    sys.stdout.write(SCRIPTS[args.shell])
    return 0
