"""What `kubectl get` shows: columns and cells per kind."""
