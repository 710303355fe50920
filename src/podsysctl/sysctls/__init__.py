"""The field itself, pure: names, values and the catalogue of kernel parameters."""
