"""Additional networks of pods, and sysctls of their interfaces: what Multus and the tuning plugin do on OpenShift."""
