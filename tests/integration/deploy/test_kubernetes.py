"""Kubernetes: the real kustomize builds it, the API's own schemas accept it, and pods share the list of cameras."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.integration.deploy import engine
from tests.integration.deploy.tools import DEPLOY, call, tool
from worker.errors import SettingsError
from worker.settings import Settings, load_settings

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
VERSIONS = ("1.30", "1.33")
Manifest = dict[str, Any]
_CUSTOM = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator, which the API's schemas do not know."""


def build(folder: str) -> dict[str, Manifest]:
    """The manifests by kind; those that occur twice by kind and the beginning of their name."""
    result = call(tool("kubectl"), "kustomize", KUBERNETES / folder)
    assert result.returncode == 0, result.stderr
    found: dict[str, Manifest] = {}
    for manifest in yaml.safe_load_all(result.stdout):
        name = re.sub(r"-[a-z0-9]{10}$", "", manifest["metadata"]["name"])
        key = manifest["kind"] if manifest["kind"] != "Secret" else f"Secret {name}"
        assert key not in found
        found[key] = manifest
    return found


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> dict[str, Manifest]:
    return build(f"overlays/{request.param}")


def pod(manifests: dict[str, Manifest]) -> Manifest:
    spec: Manifest = manifests["StatefulSet"]["spec"]["template"]["spec"]
    return spec


def container(manifests: dict[str, Manifest]) -> Manifest:
    (found,) = pod(manifests)["containers"]
    return dict(found)


def variables(manifests: dict[str, Manifest]) -> dict[str, Manifest]:
    return {each["name"]: each for each in container(manifests)["env"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_kubernetes_accept_everything(overlay: dict[str, Manifest], version: str) -> None:
    checked = [name for name, manifest in overlay.items() if manifest["kind"] not in _CUSTOM]
    for name in checked:
        kubernetes_validate.validate(overlay[name], version, strict=True)  # raises where it refuses
    assert {"StatefulSet", "ConfigMap", "Service", "NetworkPolicy", "PodDisruptionBudget"} <= set(checked)


def test_the_schemas_would_refuse_a_mistake(overlay: dict[str, Manifest]) -> None:
    broken = yaml.safe_load(yaml.safe_dump(overlay["StatefulSet"]))
    broken["spec"]["replicas"] = "3"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_all_parts_are_there(overlay: dict[str, Manifest]) -> None:
    assert set(overlay) == {
        "StatefulSet", "ConfigMap", "Secret emotion-worker-cameras", "Secret emotion-worker-redis", "Service",
        "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor", "PrometheusRule",
    }  # fmt: skip
    assert {manifest["metadata"]["namespace"] for manifest in overlay.values()} == {"emotion-worker"}


def test_selectors_meet_the_pods(overlay: dict[str, Manifest]) -> None:
    labels = overlay["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    selectors = (
        overlay["StatefulSet"]["spec"]["selector"]["matchLabels"],
        overlay["Service"]["spec"]["selector"],
        overlay["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        overlay["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    )
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert selector
    assert overlay["StatefulSet"]["spec"]["serviceName"] == overlay["Service"]["metadata"]["name"]
    monitor = overlay["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= overlay["Service"]["metadata"]["labels"].items()
    ports = {port["name"]: port["targetPort"] for port in overlay["Service"]["spec"]["ports"]}
    assert [ports[endpoint["port"]] for endpoint in monitor["endpoints"]] == ["http"]
    assert [endpoint["path"] for endpoint in monitor["endpoints"]] == ["/metrics"]


def test_others_selectors_are_left_alone(overlay: dict[str, Manifest]) -> None:
    """kustomize's labels with includeSelectors would have asked Redis and the name server for our label."""
    peers = [
        peer for rule in overlay["NetworkPolicy"]["spec"]["egress"] for peer in rule["to"] if "podSelector" in peer
    ]
    assert [peer["podSelector"]["matchLabels"] for peer in peers] == [
        {"k8s-app": "kube-dns"},
        {"app.kubernetes.io/name": "redis"},
    ]


def test_configmap_and_secrets_are_mounted_by_their_hashed_names(overlay: dict[str, Manifest]) -> None:
    names = {manifest["metadata"]["name"] for manifest in overlay.values()}
    volumes = {volume["name"]: volume for volume in pod(overlay)["volumes"]}
    assert volumes["settings"]["configMap"]["name"] in names
    assert volumes["redis-password"]["secret"]["secretName"] in names
    assert container(overlay)["envFrom"][0]["secretRef"]["name"] in names
    assert {mount["name"] for mount in container(overlay)["volumeMounts"]} == set(volumes)


def test_pods_are_locked_down(overlay: dict[str, Manifest]) -> None:
    stage = engine.read(DEPLOY / "Dockerfile")["cpu"]
    assert (
        f"{pod(overlay)['securityContext']['runAsUser']}:{pod(overlay)['securityContext']['runAsGroup']}" == stage.user
    )
    assert pod(overlay)["securityContext"]["runAsNonRoot"] is True
    assert pod(overlay)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(overlay)["automountServiceAccountToken"] is False
    assert container(overlay)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_ask_what_the_worker_answers(overlay: dict[str, Manifest]) -> None:
    paths = {
        kind: container(overlay)[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
    assert Settings().pipeline.stop_deadline < pod(overlay)["terminationGracePeriodSeconds"]


def test_the_gpu_overlay_asks_for_one() -> None:
    cpu, gpu = build("overlays/example-cpu"), build("overlays/example-gpu")
    assert container(cpu)["image"] == "emotion-worker:cpu"
    assert container(gpu)["image"] == "emotion-worker:cuda"
    assert "nvidia.com/gpu" not in container(cpu)["resources"]["limits"]
    assert container(gpu)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert variables(gpu)["EMOTION_WORKER__MODELS__BACKEND"]["value"] == "torch"


def settings_of(manifests: dict[str, Manifest], ordinal: int, folder: Path) -> Settings:
    """What the pod of this ordinal loads: its variables as Kubernetes fills them in, its ConfigMap, its secrets."""
    fields = {
        "metadata.name": f"{manifests['StatefulSet']['metadata']['name']}-{ordinal}",
        "metadata.labels['apps.kubernetes.io/pod-index']": str(ordinal),
    }
    environ = engine.environment(engine.read(DEPLOY / "Dockerfile")["cpu"])
    for name, variable in variables(manifests).items():
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:
            environ[name] = fields[source["fieldRef"]["fieldPath"]]
        elif "resourceFieldRef" in source:
            assert source["resourceFieldRef"]["resource"] == "limits.cpu"
            environ[name] = container(manifests)["resources"]["limits"]["cpu"]
        else:
            environ[name] = variable["value"]
    (folder / "password").write_text("secret")
    text = manifests["ConfigMap"]["data"]["emotion-worker.yaml"].replace("/secrets/redis", str(folder))
    cameras = "".join(f"  - {{id: camera-{number}, url: 'rtsp://camera.example/{number}'}}\n" for number in range(12))
    (folder / "emotion-worker.yaml").write_text(text.replace("streams:\n", f"streams:\n{cameras}"))
    environ["CAMERA_LOBBY"] = "rtsp://camera.example/lobby"
    return load_settings(folder / "emotion-worker.yaml", environ)


def test_the_pods_share_the_list_of_cameras(overlay: dict[str, Manifest], tmp_path: Path) -> None:
    replicas = overlay["StatefulSet"]["spec"]["replicas"]
    assert replicas == 3
    pods = [settings_of(overlay, ordinal, tmp_path) for ordinal in range(replicas)]
    assert {settings.shard.of for settings in pods} == {replicas}
    assert [settings.worker.name for settings in pods] == [f"emotion-worker-{ordinal}" for ordinal in range(replicas)]
    taken = [stream.id for settings in pods for stream in settings.own_streams]
    assert sorted(taken) == sorted(stream.id for stream in pods[0].streams)
    assert len(taken) == 13


def test_an_overlay_that_forgets_the_number_of_pods_is_told_so(tmp_path: Path) -> None:
    forgotten = build("base") | {"ConfigMap": build("overlays/example-cpu")["ConfigMap"]}
    with pytest.raises(SettingsError, match=r"EMOTION_WORKER__SHARD__OF.*must be a whole number"):
        settings_of(forgotten, 0, tmp_path)


def test_the_operators_rules_are_prometheus_rules() -> None:
    written = runpy.run_path(str(KUBERNETES / "make_prometheusrule.py"))["written"]()
    assert (KUBERNETES / "components" / "monitoring" / "prometheusrule.yaml").read_text() == written
    groups = yaml.safe_load(written)["spec"]["groups"]
    names = [rule.get("alert") for group in groups for rule in group["rules"]]
    assert "EmotionStreamDown" in names
    assert len({group["name"] for group in groups}) == len(groups)
