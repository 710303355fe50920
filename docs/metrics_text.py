"""The page about metrics: words that a person wrote, and the table that `base/metrics.py` makes."""

from __future__ import annotations

from podsysctl.base import metrics

WORDS = """\
# Metrics

Everything the program counts stands on one endpoint, `/metrics` of the API server, in Prometheus' text format:

```console
$ kubectl get --raw /metrics
```

Whoever may `get` the path `/metrics` may read it; a ServiceAccount for Prometheus needs this role:

```yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: metrics-reader
rules:
- nonResourceURLs: ["/metrics"]
  verbs: ["get"]
```

```console
$ kubectl create serviceaccount prometheus
$ kubectl create clusterrolebinding prometheus --clusterrole metrics-reader --serviceaccount default:prometheus
$ kubectl create token prometheus > token
```

and Prometheus this job, with the server's address, and the certificate authority of the kubeconfig in `ca.crt`:

```yaml
scrape_configs:
- job_name: podsysctl
  scheme: https
  authorization: {credentials_file: token}
  tls_config: {ca_file: ca.crt}
  static_configs:
  - targets: ["127.0.0.1:6443"]
```

`deploy/grafana/podsysctl.json` is a dashboard of all of them: import it and choose the data source.

## Alerts worth having

| when | expression |
|---|---|
| a value was changed behind a profile's back | `increase(podsysctl_node_sysctl_drift_total[10m]) > 0` |
| a node runs without its profile | `podsysctl_profile_applied == 0` for ten minutes |
| a pod runs without a declared value | `increase(podsysctl_sysctl_verifications_total{result="different"}[10m]) > 0` |
| pods are refused for their sysctls | `increase(podsysctl_refused_pods_total{reason="SysctlForbidden"}[10m]) > 0` |
| a rollout stands still | `podsysctl_rollout_nodes{state="degraded"} > 0` |

## What there is

Durations are in seconds, and a sysctl's value has the kernel's own unit. Labels take few values: names of the program's
own, of pools, nodes and parameters that a profile sets, never of pods, users or paths. A metric that would get more
than {bound} series keeps the first ones and counts the others in `podsysctl_metric_series_refused_total`.

| metric | type | labels | says |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |"
        for m in metrics.DECLARED
    ]
    words = WORDS.replace("{bound}", f"{metrics.limits.METRIC_SERIES:,}")
    own = "| `process_…` | gauge, counter |  | Processor time, memory and open files of the process. |"
    return words + "\n".join([*rows, own]) + "\n"
