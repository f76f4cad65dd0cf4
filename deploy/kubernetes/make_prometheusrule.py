"""Writes the component monitoring's rules: python deploy/kubernetes/make_prometheusrule.py"""

from __future__ import annotations

from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent


def written() -> str:
    """The rules as the Prometheus operator takes them."""
    files = [HERE.parent / "prometheus" / name for name in ("recording.yml", "alerts.yml")]
    groups = [group for path in files for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "emotion-worker"}}
    note = "# Written by make_prometheusrule.py from deploy/prometheus.\n"
    return note + yaml.safe_dump(head | {"spec": {"groups": groups}}, sort_keys=False, width=110)


if __name__ == "__main__":
    (HERE / "components" / "monitoring" / "prometheusrule.yaml").write_text(written(), encoding="utf-8")
