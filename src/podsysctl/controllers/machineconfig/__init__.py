"""Pools of nodes and their kubelet configuration, as OpenShift's Machine Config Operator keeps them.

The path of a change: KubeletConfig → `kubelet_config` (one MachineConfig per selected pool) → `render` (one
rendered MachineConfig per pool) → `rollout` (which nodes may change now) → the node agent's configuration daemon,
helped by `drain` → `pool_status` (counts and conditions). The words that all of them share stand in
`objects/machineconfig.py`.
Facts: machine-config-operator (release of OpenShift 4.22), pkg/controller and pkg/daemon.
"""
