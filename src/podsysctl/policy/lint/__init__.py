"""Rules over manifests and node files that set kernel parameters: what `podsysctl check` finds, without any I/O."""
