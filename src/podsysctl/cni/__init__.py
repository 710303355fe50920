"""The tuning CNI plugin."""
