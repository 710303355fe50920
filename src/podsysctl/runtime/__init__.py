"""Sandboxes and containers through CRI v1, and the private containerd of one machine."""
