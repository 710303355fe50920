"""StatefulSets: numbered pods that are started, updated and stopped in order."""
