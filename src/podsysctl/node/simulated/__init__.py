"""Nodes without a runtime, for work at scale: real gates, real statuses, and no process.

They plug in where a node agent meets its runtime: `ReadFacts` (what the Node object says of it), `Restart` (how the
configuration daemon makes a new list count), and `PodRuntime` (what a pod's status is computed from). The gates, the
statuses, the registration and the configuration daemon are those of every node. All nodes share one informer of pods,
one of nodes, one of Profiles and four queues; a node of its own has no task, no timer and no connection.
"""
