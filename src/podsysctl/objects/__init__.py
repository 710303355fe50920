"""Kubernetes objects, pure: schemas, decoding, validation, patches and selectors."""
