"""Probes of containers: how they are asked, when, and what follows from the answers."""
