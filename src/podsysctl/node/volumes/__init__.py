"""Volumes of pods: made before containers start, kept current, taken down when the pod is gone."""
