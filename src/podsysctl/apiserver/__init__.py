"""The Kubernetes-compatible API: HTTP, admission, store, tables and streaming."""
