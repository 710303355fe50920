"""Sandboxes and containers through CRI v1, and the private containerd of one machine.

`cri_pb2.py` and `.pyi` are generated from `cri.proto`, the part of CRI v1 that we speak, and
`containerd_events_pb2` and `containerd_tasks_pb2` likewise. After a change of a .proto file:

    .venv/bin/python -m grpc_tools.protoc -I src/podsysctl/runtime --python_out=src/podsysctl/runtime \
        --pyi_out=src/podsysctl/runtime cri.proto

A test generates them anew and compares.
"""
