"""Applies profile trees with the real TuneD, in its own interpreter: loader, merger, unit manager and sysctl plugin.

Reads a list of trees on standard input and prints one answer a tree. Each tree is applied in a fresh network
namespace; /etc and /run must be private (`unshare -m` and a tmpfs), since TuneD stores originals there.
"""

import json
import logging
import os
import resource
import shutil
import sys
import tempfile

import fresh_network
from tuned.exceptions import TunedException
from tuned.plugins import plugin_sysctl
from tuned.utils.global_config import GlobalConfig

from tuned import monitors, plugins, profiles, storage, units

MEMORY_BYTES = 1 << 30
"""What TuneD may use: a list of processors up to a number of ten digits would be built."""


class Records(logging.Handler):
    """Keeps what TuneD logs as errors and warnings."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        """One line."""
        self.lines.append(f"{record.levelname} {record.getMessage()}")


class NoHardware:
    """No device comes or goes here; the sysctl plugin asks for none."""

    def start_processing_events(self):
        """Nothing to process."""

    def stop_processing_events(self):
        """Nothing to stop."""

    def subscribe(self, *_arguments):
        """Nothing to hear of."""


def swap_dots_and_slashes():
    """Give TuneD before 2.23 the rule of later releases for dots in a key, unless it has it."""
    path = getattr(plugin_sysctl, "_get_sysctl_path", None)
    if path is not None and path("a/b.c") != "/proc/sys/a.b/c":
        plugin_sysctl._get_sysctl_path = lambda option: "/proc/sys/" + option.translate(str.maketrans("./", "/."))


def apply(tree, directories, saved, config):
    """Load and apply one tree; the error that TuneD refuses it with, or None, and what it logs."""
    records = Records()
    log = logging.getLogger("tuned")
    log.handlers = [records]
    variables = profiles.variables.Variables()
    repository = plugins.Repository(
        monitors.Repository(),
        storage.Factory(storage.PickleProvider(saved)),
        NoHardware(),
        None,
        None,
        plugins.instance.Factory(),
        config,
        variables,
    )
    manager = units.Manager(repository, monitors.Repository(), 0, NoHardware(), config)
    loader = profiles.Loader(profiles.Locator(directories), profiles.Factory(), profiles.Merger(), config, variables)
    if tree["name"] not in loader.profile_locator.get_known_names():
        return {"error": f"Requested profile '{tree['name']}' doesn't exist.", "log": records.lines}
    try:
        profile = loader.load([tree["name"]])
    except TunedException as error:
        return {"error": error.args[0], "log": records.lines}
    manager.create(profile.units)
    manager.start_tuning()
    return {"error": None, "log": records.lines}


def expand(definitions, texts):
    """The texts with variables and functions filled in; None where TuneD itself fails, `?` where it has no bound."""
    variables = profiles.variables.Variables()
    for name, value in definitions:
        variables.add_variable(name, value)
    out = []
    for text in texts:
        try:
            out.append(variables.expand(text))
        except (TunedException, IndexError):
            out.append(None)
        except (MemoryError, OverflowError):
            out.append("?")
    return out


def put_host_files(files):
    """Write the host's own files, over those of the tree before; /etc and /run are empty file systems of ours."""
    for directory in ("/etc/sysctl.d", "/run/sysctl.d"):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
    with open("/etc/sysctl.conf", "w"):
        pass
    for name, text in files.items():
        if name.startswith(("etc/", "run/")):
            with open("/" + name, "w") as file:
                file.write(text)


def main():
    """All trees, in order."""
    swap_dots_and_slashes()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory() as top:
        settings = os.path.join(top, "main.conf")
        with open(settings, "w") as file:
            file.write("daemon=0\n")
        config = GlobalConfig(settings)
        answers = []
        for tree in json.load(sys.stdin):
            put_host_files(tree["host"])
            with tempfile.TemporaryDirectory(dir=top) as place:
                directories = []
                for directory, texts in tree["directories"]:
                    os.makedirs(place + directory)
                    directories.append(place + directory)
                    for name, text in texts.items():
                        os.makedirs(f"{place}{directory}/{name}")
                        with open(f"{place}{directory}/{name}/tuned.conf", "w") as file:
                            file.write(text)
                answer, values = fresh_network.run(lambda: apply(tree, directories, place + "/saved", config))  # noqa: B023
                if answer["error"]:
                    answer["error"] = answer["error"].replace(place, "")
                answers.append({**answer, "values": values, "expanded": expand(tree["variables"], tree["texts"])})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
