"""Tests of the tuning CNI plugin."""
