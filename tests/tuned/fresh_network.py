"""Runs a function in a child with a network namespace of its own, and tells the values of harmless parameters after it.

Only the standard library, since TuneD's own interpreter runs it as well as ours.
"""

import ctypes
import json
import os
import subprocess
import sys
import traceback

CLONE_NEWNET = 0x40000000
LINKS = "link add eth0 type veth peer name eth0.100\nlink add wan type bridge\n"

NAMES = (
    "net/core/somaxconn",
    "net/ipv4/conf/all/log_martians",
    "net/ipv4/conf/default/arp_announce",
    "net/ipv4/conf/eth0.100/arp_ignore",
    "net/ipv4/conf/eth0.100/rp_filter",
    "net/ipv4/conf/eth0/rp_filter",
    "net/ipv4/conf/lo/accept_redirects",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/ip_unprivileged_port_start",
    "net/ipv4/neigh/wan/mcast_solicit",
    "net/ipv4/ping_group_range",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_ecn",
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_keepalive_intvl",
    "net/ipv4/tcp_keepalive_time",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv6/conf/eth0/hop_limit",
)
"""What the generated profiles set: parameters of the network namespace alone."""


def read(name):
    """One value as the kernel prints it, None when there is no such parameter."""
    try:
        with open("/proc/sys/" + name) as file:
            return file.read()
    except OSError:
        return None


def run(function):
    """What the function returns in a fresh namespace, and all values after it: (answer, {name: value}).

    Raises RuntimeError when it raises.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            subprocess.run(["ip", "-batch", "-"], input=LINKS, text=True, check=True)
            answer = function()
            with os.fdopen(writing, "w") as pipe:
                json.dump([answer, {name: read(name) for name in NAMES}], pipe)
            status = 0
        finally:
            if status:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError("the child failed")
    answer, values = json.loads(text)
    return answer, values
