"""`new-project NAME`: a namespace, and the context switched to it, as oc does."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import connect, project
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import UnknownResourceError
from podsysctl.client.rest import Object

HELP = """Create a namespace and switch to it.

example:
  podsysctl new-project demo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `new-project`."""
    parser.add_argument("name", metavar="NAME", help="its name")
    parser.add_argument("--description", metavar="TEXT", default="", help="what it is for")
    parser.add_argument("--display-name", metavar="TEXT", default="", help="its name for people")
    parser.add_argument("--skip-config-write", action="store_true", help="do not switch to it")


def run(args: argparse.Namespace) -> int:
    """Run `new-project`."""
    return connect.run(args, _create)


async def _create(connection: Connection, args: argparse.Namespace) -> int:
    mapper = await connection.mapper()
    annotations = {
        key: value
        for key, value in (
            ("openshift.io/description", args.description),
            ("openshift.io/display-name", args.display_name),
        )
        if value
    }
    body: Object = {"metadata": {"name": args.name}}
    try:
        kind = mapper.find_kind("project.openshift.io/v1", "ProjectRequest")
        body |= {"description": args.description, "displayName": args.display_name}
    except UnknownResourceError:
        kind = mapper.find_kind("v1", "Namespace")
        if annotations:
            body["metadata"]["annotations"] = annotations
    await connection.client.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **body})
    if not args.skip_config_write:
        project.switch(args, args.name)
        sys.stdout.write(f'Now using project "{args.name}" on server "{connection.client.config.server}".\n')
    else:
        sys.stdout.write(f"namespace/{args.name} created\n")
    return 0
