"""From privileged containers that set sysctls to what needs no privilege: pod sysctls, a Tuned object, placement."""
