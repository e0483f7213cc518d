# SPDX-License-Identifier: LGPL-2.1-or-later
"""Units, container recipe and manifest: as far as their own tools judge them without running them."""

import importlib.util
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from surveillance import config, result_sender
from surveillance.web import probe

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "examples" / "surveillance" / "deploy"
UNIT = DEPLOY / "systemd" / "frame-supplier@.service"
MANIFEST = DEPLOY / "kubernetes" / "surveillance.yaml"
BASE, OVERLAY = DEPLOY / "kubernetes" / "base", DEPLOY / "kubernetes" / "overlays" / "front"
MOST_EXPOSURE = 20  # tenths, of 100

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="Debian's package systemd is not installed (group deploy of .ci/packages)")
needs_kubernetes = pytest.mark.skipif(importlib.util.find_spec("kubernetes") is None,
                                      reason="Debian's package python3-kubernetes is not installed (group deploy of .ci/packages)")


def kustomizes() -> bool:
    """Debian's own kubectl is older than the fields that overlays use."""
    if not shutil.which("kubectl"):
        return False
    told = subprocess.run(["kubectl", "version", "--client", "--output=json"], capture_output=True, text=True)
    return told.returncode == 0 and bool(re.search(r'"kustomizeVersion": "v[5-9]', told.stdout))


needs_kustomize = pytest.mark.skipif(not kustomizes(), reason="no kubectl with kustomize 5 or newer is installed")


@needs_systemd
def test_the_unit_is_understood(tmp_path):
    unit = tmp_path / "frame-supplier@front.service"
    # What it starts need not be installed here.
    unit.write_text(UNIT.read_text().replace("=/usr/bin/frame-supplier ", "=/bin/true "))
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (told.returncode, [line for line in told.stderr.splitlines() if "frame-supplier@" in line]) == (0, [])


@needs_systemd
def test_the_unit_is_confined(tmp_path):
    unit = tmp_path / "frame-supplier@front.service"
    unit.write_text(UNIT.read_text())
    told = subprocess.run(["systemd-analyze", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSURE}", "security", unit],
                          capture_output=True, text=True)
    assert told.returncode == 0, told.stdout[-400:] + told.stderr
    assert re.search(r"Overall exposure level .*: \d\.\d OK", told.stdout)


@needs_systemd
def test_the_units_user_is_made(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", UNIT.with_name("sysusers.conf")], check=True, capture_output=True)
    user = re.search(r"^User=([\w-]+)$", UNIT.read_text(), re.M)[1]
    assert f"\n{user}:" in "\n" + (folder / "passwd").read_text()


def test_what_the_unit_starts_there_is():
    started = re.search(r"^ExecStart=/usr/bin/(\S+) (.*)$", UNIT.read_text(), re.M)
    assert f"debian/{started[1]} usr/bin\n" in (ROOT / "debian/frame-supplier-surveillance.install").read_text()
    command = re.search(r"-m surveillance\.(\w+) \"\$@\"$", (ROOT / "debian" / started[1]).read_text(), re.M)
    module = (ROOT / "examples" / "surveillance" / f"{command[1]}.py").read_text()
    options = re.findall(r"--[\w-]+", started[2])
    assert options and all(f'"{option}"' in module for option in options)


def documents():
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def of_kind(kind):
    return next(document for document in documents() if document["kind"] == kind)


def pod():
    return of_kind("Deployment")["spec"]["template"]["spec"]


def test_containers_share_the_sockets_folder_and_nothing_else():
    assert not {"hostIPC", "hostPID", "hostNetwork", "shareProcessNamespace"} & pod().keys()
    mounts = [{mount["name"] for mount in container["volumeMounts"]} for container in pod()["containers"]]
    shared = {name for names in mounts for name in names if sum(name in other for other in mounts) > 1}
    assert shared == {"socket"}
    assert {volume["name"]: volume for volume in pod()["volumes"]}["socket"]["emptyDir"]["medium"] == "Memory"
    for container in pod()["containers"]:
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] and not confined["allowPrivilegeEscalation"] and confined["capabilities"]["drop"] == ["ALL"]
        assert "memory" in container["resources"]["limits"]


def test_the_manifests_configuration_is_one_and_its_workers_are_its_containers(tmp_path):
    path = tmp_path / "surveillance.toml"
    path.write_text(of_kind("ConfigMap")["data"]["front.toml"])
    camera = config.load(path).cameras[0]
    containers = {container["name"]: {entry["name"]: entry["value"] for entry in container.get("env", ())}
                  for container in pod()["containers"] if container["name"] != "capture"}
    assert {worker.name for worker in camera.workers} == set(containers)
    for worker in camera.workers:
        own = containers[worker.name]
        assert (own["WORKER_NAME"], own["WORKER_POLICY"]) == (worker.name, worker.policy)
        assert own["SHMRING_PATH"] == f"/run/camera/{camera.name}.sock"
        assert not worker.command, "the kubelet starts it"
    probes = [container["livenessProbe"]["exec"]["command"][-1] for container in pod()["containers"] if container["name"] in containers]
    assert probes == [f"http://127.0.0.1:8088/healthz/{camera.name}/{name}" for name in containers]


def refuse_what_kubernetes_does_not_know(document):
    models = importlib.import_module("kubernetes.client.models")

    def check(value, kind, where):
        if listed := re.fullmatch(r"list\[(.+)\]", kind):
            assert isinstance(value, list), where
            return [check(one, listed[1], f"{where}[]") for one in value]
        if table := re.fullmatch(r"dict\(str, (.+)\)", kind):
            assert isinstance(value, dict), where
            return [check(one, table[1], f"{where}.{name}") for name, one in value.items()]
        model = getattr(models, kind, None)
        if model is None:
            plain = {"str": str, "int": int, "bool": bool, "object": object, "IntOrString": (int, str)}
            assert isinstance(value, plain.get(kind, object)) and (kind == "bool" or value is not True), (where, kind, value)
            return None
        fields = {model.attribute_map[name]: of for name, of in model.openapi_types.items()}
        assert isinstance(value, dict) and set(value) <= set(fields), (where, set(value) - set(fields))
        model(**{name: value.get(field) for name, field in model.attribute_map.items()})  # refuses what lacks a field
        return [check(one, fields[name], f"{where}.{name}") for name, one in value.items()]

    check(document, f"V1{document['kind']}", document["kind"])


@needs_kubernetes
def test_the_manifest_is_as_kubernetes_own_client_knows_it():
    for document in documents():
        refuse_what_kubernetes_does_not_know(document)


def base():
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in BASE.iterdir()}
    return [document for name in listed for document in yaml.safe_load_all((BASE / name).read_text())]


def deployments(all_documents):
    return {document["metadata"]["name"]: document["spec"]["template"] for document in all_documents if document["kind"] == "Deployment"}


@needs_kubernetes
def test_each_document_of_the_base_is_as_kubernetes_own_client_knows_it():
    for document in base():
        refuse_what_kubernetes_does_not_know(document)


def test_pods_of_a_node_share_the_folder_of_the_ring_and_nothing_else():
    pods = {name: template["spec"] for name, template in deployments(base()).items()}
    assert set(pods) == {"capture", "motion", "person"}
    for name, spec in pods.items():
        assert not {"hostIPC", "hostPID", "hostNetwork", "shareProcessNamespace"} & spec.keys()
        assert [volume["name"] for volume in spec["volumes"] if "hostPath" in volume] == ["socket"] == [spec["volumes"][0]["name"]]
        assert spec["volumes"][0]["hostPath"] == pods["capture"]["volumes"][0]["hostPath"]
        container, = spec["containers"]
        confined = container["securityContext"]
        assert confined["runAsUser"] == 65532 and confined["readOnlyRootFilesystem"] and confined["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        camera, *own = [mount for mount in container["volumeMounts"] if mount["name"] == "socket"]
        assert camera.get("readOnly", False) == (name != "capture"), "only the publisher may make a socket there"
        folder = result_sender.results_path("/run/camera/front.sock", name).parent
        assert [(mount["mountPath"], mount["subPath"]) for mount in own] == ([] if name == "capture" else [(str(folder), folder.name)])
        if name != "capture":
            wanted = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert [term["labelSelector"]["matchLabels"]["part"] for term in wanted] == ["capture"], "it comes to the ring's node"


def environment(template, maps):
    container, = template["spec"]["containers"]
    found = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]
    return found | {entry["name"]: entry["value"] for entry in container.get("env", ())}


def overlay_is_right(all_documents, maps, tmp_path):
    """The file of the overlay, its camera and workers, and what the pods are told of them."""
    path = tmp_path / "front.toml"
    path.write_text(next(data["front.toml"] for data in maps.values() if "front.toml" in data))
    camera = config.load(path).cameras[0]
    pods = deployments(all_documents)
    assert {worker.name for worker in camera.workers} == set(pods) - {"capture"}
    for worker in camera.workers:
        own = environment(pods[worker.name], maps)
        assert (own["CAMERA"], own["SHMRING_PATH"]) == (camera.name, f"/run/camera/{camera.name}.sock")
        assert (own["WORKER_NAME"], own["WORKER_POLICY"]) == (worker.name, worker.policy)
        assert int(own.get("WORKER_DEPTH", 0)) == worker.depth
        assert not worker.command, "the kubelet starts it"
        container, = pods[worker.name]["spec"]["containers"]
        assert container["livenessProbe"]["exec"]["command"][-1].endswith(f"/healthz/$CAMERA/{worker.name}")


def test_the_overlays_file_fits_the_base(tmp_path):
    overlay = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text())
    maps = {made["name"]: dict(line.split("=", 1) for line in made.get("literals", ()))
            | {name: (OVERLAY / name).read_text() for name in made.get("files", ())} for made in overlay["configMapGenerator"]}
    overlay_is_right(base(), maps, tmp_path)


@needs_kustomize
def test_the_overlay_makes_what_kubernetes_knows(tmp_path):
    made = subprocess.run(["kubectl", "kustomize", OVERLAY], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    rendered = list(yaml.safe_load_all(made.stdout))
    maps = {document["metadata"]["name"]: document["data"] for document in rendered if document["kind"] == "ConfigMap"}
    overlay_is_right(rendered, maps, tmp_path)
    assert {document["metadata"].get("namespace", document["metadata"]["name"]) for document in rendered} == {"camera-front"}
    for name, template in deployments(rendered).items():
        assert template["spec"]["volumes"][0]["hostPath"]["path"] == "/run/frame-supplier/front", name
        assert template["spec"]["containers"][0]["image"].startswith("registry.example/frame-supplier:")
    assert deployments(rendered)["capture"]["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "edge-1"}
    if importlib.util.find_spec("kubernetes"):
        for document in rendered:
            refuse_what_kubernetes_does_not_know(document)


def test_the_image_is_made_of_the_packages_and_runs_without_privileges():
    recipe = (DEPLOY / "container" / "Containerfile").read_text()
    packages = re.findall(r"^Package: (\S+)$", (ROOT / "debian/control").read_text(), re.M)
    copied = re.search(r"^COPY (.+) /packages/$", recipe, re.M)[1].split()
    assert copied and {name.removesuffix("_*.deb") for name in copied} < set(packages)
    assert re.findall(r"^USER (.+)$", recipe, re.M) == ["65532:65532"]
    started = re.search(r'^CMD \["(.+?)"', recipe, re.M)[1]
    assert f"debian/{started} usr/bin\n" in (ROOT / "debian/frame-supplier-surveillance.install").read_text()


class Answer:
    """An HTTP server with one answer."""

    def __init__(self, status):
        import http.server

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return f"http://127.0.0.1:{self.server.server_port}/healthz/front/person"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("status, ends", [(200, 0), (503, 1), (404, 0), (500, 0)])
def test_the_probe_fails_only_for_a_worker_that_is_ill(status, ends):
    with Answer(status) as address:
        assert probe.main(address) == ends


def test_the_probe_does_not_fail_for_a_manager_that_is_away():
    with Answer(200) as address:
        pass
    assert probe.main(address) == 0


@pytest.mark.parametrize("answer", [b"", b"no HTTP at all\r\n\r\n", b"HTTP/1.1 999999\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                                    b"HTTP/1.1 301 x\r\nLocation: nowhere://\r\n\r\n"], ids=range(5))
def test_the_probe_does_not_fail_for_an_answer_of_something_else(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            with server.accept()[0] as asked:
                asked.recv(1000)
                asked.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        assert probe.main(f"http://127.0.0.1:{server.getsockname()[1]}/healthz/front/person") == 0
        thread.join()


def test_the_probe_does_not_fail_for_a_mistake_of_whoever_wrote_its_line():
    assert (probe.main(), probe.main("no address"), probe.main("http://x", "more")) == (0, 0, 0)
