"""`podsysctl check` of a thousand manifests, as a process, beside merely reading them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Row, median_s, seconds

HELP = "check: a thousand manifests, process included"

MANIFESTS = 1000
RUNS = 5
_PROGRAM = str(Path(sys.executable).parent / "podsysctl")
_READ_ALONE = (
    "import pathlib, sys, yaml\n"
    "for path in pathlib.Path(sys.argv[1]).rglob('*.yaml'):\n"
    "    list(yaml.load_all(path.read_text(), yaml.CSafeLoader))\n"
)
_MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{number}
  namespace: demo
  labels: {{app: web-{number}, tier: frontend}}
spec:
  replicas: 3
  selector:
    matchLabels: {{app: web-{number}}}
  template:
    metadata:
      labels: {{app: web-{number}, tier: frontend}}
    spec:
      securityContext:
        runAsNonRoot: true
        sysctls:
        - name: net.ipv4.ip_local_port_range
          value: "32768 60999"
        - name: net.core.somaxconn
          value: "{number}"
        - name: kernel.msgmax
          value: "65536"
      containers:
      - name: web
        image: registry.example/web:{number}
        ports:
        - containerPort: 8080
        env:
        - name: LEVEL
          value: info
        resources:
          requests: {{cpu: 100m, memory: 128Mi}}
          limits: {{memory: 256Mi}}
        readinessProbe:
          httpGet: {{path: /healthz, port: 8080}}
---
apiVersion: v1
kind: Service
metadata:
  name: web-{number}
  namespace: demo
spec:
  selector: {{app: web-{number}}}
  ports:
  - port: 80
    targetPort: 8080
"""


def run() -> list[Row]:
    """One row: a Deployment with three sysctls and a Service in each file."""
    with tempfile.TemporaryDirectory() as directory:
        for number in range(MANIFESTS):
            (Path(directory) / f"{number:04}.yaml").write_text(_MANIFEST.format(number=number))
        ours = median_s(lambda: _quiet(_PROGRAM, "check", directory), RUNS)
        alone = median_s(lambda: _quiet(sys.executable, "-c", _READ_ALONE, directory), RUNS)
    what = f"check {MANIFESTS} files of two objects, process included"
    return [Row(what, seconds(ours), f"reading them with libyaml alone {seconds(alone)}", "at most 2 s")]


def _quiet(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
