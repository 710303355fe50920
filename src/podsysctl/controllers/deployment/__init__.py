"""Deployments: rolling out a pod template through ReplicaSets, with history."""
