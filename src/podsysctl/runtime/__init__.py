"""Sandboxes and containers through CRI v1, and the private containerd of one machine.

`cri_pb2.py` and `.pyi` are generated from `cri.proto`, the part of CRI v1 that we speak. After a change of the latter:

    .venv/bin/python -m grpc_tools.protoc -I src/podsysctl/runtime --python_out=src/podsysctl/runtime \
        --pyi_out=src/podsysctl/runtime cri.proto

A test generates them anew and compares.
"""
