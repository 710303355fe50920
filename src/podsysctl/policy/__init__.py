"""What each gate says of a pod, as pure functions."""
