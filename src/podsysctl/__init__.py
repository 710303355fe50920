"""Kernel parameters for containers: every gate, the running kernel, one machine or a cluster."""
