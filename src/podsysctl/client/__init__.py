"""Any Kubernetes API from the outside: requests, informers, work queues and events."""
