"""SecurityContextConstraints: what they allow, in which order they are tried, what they set in a pod."""
