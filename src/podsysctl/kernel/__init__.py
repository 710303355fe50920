"""The only system calls: /proc/sys, kernel namespaces and the probe."""
