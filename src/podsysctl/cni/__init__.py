"""The tuning CNI plugin: a process for every pod, so nothing here may import much. `bench/cni.py` measures it."""
