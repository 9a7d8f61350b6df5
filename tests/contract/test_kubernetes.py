"""The manifests in docs/kubernetes: valid for Kubernetes, no privileges, no secrets, the images of compose.yaml."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tasks.settings import Settings

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "docs/kubernetes"
VERSIONS = ("1.31", "1.37")
"""The oldest and the newest that they are checked against."""

SECRET_KEYS = {"POSTGRES_PASSWORD", "PREFECT_PASSWORD", "WEAVIATE_KEY"}

Manifest = dict[str, Any]


def load(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text()))


FILES = sorted(FOLDER.rglob("*.yaml"))
MANIFESTS = {
    f"{path.relative_to(FOLDER)}:{one['kind']}/{one['metadata']['name']}": one for path in FILES for one in load(path)
}
WORKLOADS = {key: one for key, one in MANIFESTS.items() if one["kind"] in {"Deployment", "StatefulSet"}}
CONTAINERS = {key: one["spec"]["template"]["spec"]["containers"][0] for key, one in WORKLOADS.items()}


def named(kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in MANIFESTS.values() if one["kind"] == kind}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", MANIFESTS)
def test_a_manifest_is_valid_and_has_no_unknown_field(key: str, version: str) -> None:
    assert kubernetes_validate.validate(MANIFESTS[key], version, strict=True) == version


@pytest.mark.parametrize("key", WORKLOADS)
def test_a_misspelt_field_would_be_noticed(key: str) -> None:
    wrong = copy.deepcopy(WORKLOADS[key])
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("key", MANIFESTS)
def test_everything_is_in_the_one_namespace_which_comes_first(key: str) -> None:
    assert FILES[0].name == "1-namespace.yaml"
    manifest = MANIFESTS[key]
    where = manifest["metadata"]["name" if manifest["kind"] == "Namespace" else "namespace"]
    assert where == "expertloop"


@pytest.mark.parametrize("key", WORKLOADS)
def test_a_pod_is_watched_bounded_and_an_ordinary_user(key: str) -> None:
    pod, container = WORKLOADS[key]["spec"]["template"]["spec"], CONTAINERS[key]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    # What the namespace's Pod Security level "restricted" asks for.
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    # Kubernetes would set PREFECT_PORT, POSTGRESQL_PORT … for the services' sake, and programs would read them.
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("key", CONTAINERS)
def test_a_secret_comes_from_the_secret_that_the_docs_make(key: str) -> None:
    read = set()
    for variable in CONTAINERS[key].get("env", []):
        name, value = variable["name"], variable.get("value", "")
        if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
            read.add((reference["name"], reference["key"]))
            continue
        if name.endswith(("PASSWORD", "AUTH_STRING", "_KEY", "_KEYS")) or ("://" in value and "@" in value):
            assert re.search(r":\$\([A-Z]+_PASSWORD\)", value), name
    assert read <= {("expertloop", secret) for secret in SECRET_KEYS}
    said = (REPOSITORY / "docs/operations.md").read_text()
    assert "create secret generic expertloop" in said
    assert all(f"--from-literal={secret}=" in said for secret in SECRET_KEYS)


def test_a_variable_is_set_before_another_one_is_made_of_it() -> None:
    for key, container in CONTAINERS.items():
        known: set[str] = set()
        for variable in container.get("env", []):
            assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= known, key
            known.add(variable["name"])


def test_every_setting_in_the_manifests_exists() -> None:
    known = {f"EXPERTLOOP_{field.upper()}" for field in Settings.model_fields}
    text = "".join(path.read_text() for path in FILES)
    named_there = set(re.findall(r"EXPERTLOOP_[A-Z_]+", text))
    assert named_there <= known
    assert "EXPERTLOOP_DATABASE_URL" in named_there


def test_the_images_are_those_of_compose() -> None:
    services = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["services"].values()
    ours = {container["image"].removeprefix("registry.example/") for container in CONTAINERS.values()}
    assert ours == {service["image"] for service in services}


def test_services_find_their_pods_and_pods_their_claims_and_files() -> None:
    labels = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]: CONTAINERS[key]
        for key, one in WORKLOADS.items()
    }
    for service in named("Service").values():
        container = labels[service["spec"]["selector"]["app.kubernetes.io/name"]]
        open_ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports
    for key, workload in WORKLOADS.items():
        spec = workload["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
        volumes = {volume["name"]: volume for volume in spec["template"]["spec"].get("volumes", [])}
        for volume in volumes.values():
            assert volume.get("persistentVolumeClaim", {"claimName": "state"})["claimName"] in named(
                "PersistentVolumeClaim"
            )
            assert volume.get("configMap", {"name": "sources"})["name"] in named("ConfigMap")
        claims = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in CONTAINERS[key]["volumeMounts"]} == volumes.keys() | claims


def test_settings_name_services_and_ports_that_exist() -> None:
    services = named("Service")
    values = [*named("ConfigMap")["expertloop"]["data"].values()]
    values += [one["value"] for container in CONTAINERS.values() for one in container.get("env", []) if "value" in one]
    found = [match for value in values for match in re.findall(r"://(?:[^/@]*@)?([a-z]+):(\d+)", value)]
    assert {host for host, _ in found} == {"postgresql", "weaviate", "prefect"}
    for host, port in found:
        assert int(port) in {one["port"] for one in services[host]["spec"]["ports"]}


def test_the_gpu_is_asked_for_in_a_file_of_its_own() -> None:
    limits = {key: container["resources"]["limits"] for key, container in CONTAINERS.items()}
    assert [key for key, limit in limits.items() if "nvidia.com/gpu" in limit] == [
        "gpu/worker.yaml:Deployment/gpu-worker"
    ]
