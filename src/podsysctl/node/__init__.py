"""The node agent: gates, sandboxes, containers, probes, volumes and status."""
