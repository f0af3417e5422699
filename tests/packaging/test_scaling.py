"""The examples that scale recognisers are valid, and use settings and options that there are."""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from facerec_mqtt.cli.main import _parser
from facerec_mqtt.settings.loading import setting_names
from tests.support.paths import ROOT

FOLDER = ROOT / "docker" / "scaling"
QUANTITY = re.compile(r"\d+(m|Mi|Gi)?")


def compose() -> list[str] | None:
    """How Docker Compose is called here; `None` where it is not installed."""
    for program in (["docker", "compose"], ["docker-compose"]):
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run([*program, "version"], capture_output=True, check=False).returncode == 0:
                return program
    return None


def roles_of(command: list[str]) -> set[str]:
    return {_parser().parse_args(command).role}


def test_compose_has_a_recogniser_to_scale_and_a_camera_without_the_key_of_the_house() -> None:
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    for name in ("recogniser", "camera"):
        assert set(services[name]["environment"]) <= set(setting_names())
    recogniser, camera = services["recogniser"], services["camera"]
    # What is scaled has nothing that only one can have.
    assert not {"container_name", "ports", "hostname", "volumes"} & set(recogniser)
    shell = recogniser["entrypoint"][-1]
    assert roles_of(shell.partition("facerec-mqtt ")[2].split()) == {"recogniser"}
    assert shell.partition("=")[0] in setting_names()
    assert roles_of(camera["command"]) == {"camera"}
    assert camera["secrets"] == ["camera_key"]
    assert "house_key" not in str(camera)


def test_compose_itself_takes_it(tmp_path: Path) -> None:
    program = compose()
    if program is None:
        pytest.skip("Docker Compose is not installed")
    copy = shutil.copytree(ROOT / "docker", tmp_path / "docker") / "scaling"
    (tmp_path / ".env").touch()
    command = [*program, "-f", str(copy / "compose.yaml"), "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_kubernetes_has_pods_with_ids_that_stay_and_everything_that_is_mounted() -> None:
    service, pods = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("v1", "Service")
    assert (pods["apiVersion"], pods["kind"]) == ("apps/v1", "StatefulSet")
    spec: dict[str, Any] = pods["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["serviceName"] == service["metadata"]["name"]
    assert spec["selector"]["matchLabels"] == service["spec"]["selector"] == labels
    pod = spec["template"]["spec"]
    [container] = pod["containers"]
    assert roles_of(container["args"]) == {"recogniser"}
    environment = {each["name"]: each for each in container["env"]}
    assert set(environment) <= set(setting_names())
    assert environment["FACEREC_MQTT__NODE_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert all(isinstance(each.get("value", ""), str) for each in container["env"])
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert set(volumes) == set(mounts)
    assert environment["FACEREC_HOUSE__KEY_FILE"]["value"].startswith(mounts["keys"])
    quantities = [*container["resources"]["requests"].values(), *container["resources"]["limits"].values()]
    quantities += [each["emptyDir"]["sizeLimit"] for each in pod["volumes"] if "emptyDir" in each]
    assert all(QUANTITY.fullmatch(each) for each in quantities)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
