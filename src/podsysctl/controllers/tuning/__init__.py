"""Which node gets which tuning profile, as OpenShift's Node Tuning Operator decides it.

The path of a change: Tuned objects → `collection` (all profiles and all rules, in order, and what contradicts) →
`choice` (one node's profile) → `profile_object` (the node's Profile) → the node agent's tuner. `validity` says in each
Tuned's status what is wrong with it, `default_tuned` keeps the one that must be there. The kinds and annotations stand
in `objects/tuning.py`. Facts: cluster-node-tuning-operator pkg/operator.
"""
