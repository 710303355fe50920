"""Which nodes can take a pod, and why not: the rules of the scheduler, which `explain` asks as well.

A file for each question; what they look at is in `podinfo.py` and `nodeinfo.py`. Choosing among the nodes that can is
the scheduler's own business.
"""
