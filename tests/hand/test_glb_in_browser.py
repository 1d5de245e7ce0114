"""A rigged hand opened, bent and drawn by three.js in a real browser.

Needs chromium on the PATH and three.js unpacked (`npm pack three`, or `npm install three` in the repository) with its
folder in THREE_JS; skipped without them. Nothing is loaded from the network.
"""

import base64
import json
import os
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from PIL import Image

from ownhand.hand.anatomy import FLEXION
from ownhand.hand.builtin import open_hand
from ownhand.hand.export import write_glb
from ownhand.hand.kinematics import forward_kinematics, skin
from ownhand.hand.skeleton import JOINTS_16, WEBXR_JOINTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
THREE_JS = Path(os.environ.get("THREE_JS", "node_modules/three"))

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on the PATH"),
    pytest.mark.skipif(not (THREE_JS / "build").is_dir(), reason="three.js is not in THREE_JS or node_modules/three"),
]

PAGE = """<!doctype html>
<script type="importmap">
{"imports": {"three": "/three/build/three.module.js", "addons/": "/three/examples/jsm/"}}
</script>
<script type="module">
import * as THREE from 'three';
import { GLTFLoader } from 'addons/loaders/GLTFLoader.js';
const answer = body => fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
try {
  const gltf = await new GLTFLoader().loadAsync('/hand.glb');
  const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  renderer.setSize(640, 480);
  const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(30, 4 / 3, 0.01, 5);
  scene.background = new THREE.Color(0x203040);
  const sun = new THREE.DirectionalLight(0xffffff, 2.5);
  sun.position.set(-1, 1, -2);
  scene.add(gltf.scene, sun, new THREE.AmbientLight(0xffffff, 0.8));
  camera.up.set(1, 0, 0);
  camera.position.set(0.05, -0.38, -0.32);
  camera.lookAt(0.1, 0, 0);
  const mesh = gltf.scene.getObjectByProperty('type', 'SkinnedMesh'), at = new THREE.Vector3();
  const look = () => {
    renderer.render(scene, camera);
    mesh.skeleton.update();
    const verts = [];
    for (let i = 0; i < mesh.geometry.attributes.position.count; i++)
      verts.push(mesh.localToWorld(mesh.getVertexPosition(i, at)).toArray());
    return { verts, picture: renderer.domElement.toDataURL('image/png').split(',')[1] };
  };
  const rest = look();
  gltf.scene.getObjectByName('index-finger-phalanx-proximal').rotateX(-1);
  gltf.scene.updateMatrixWorld(true);
  const bones = mesh.skeleton.bones.map(bone => bone.name);
  await answer({ bones, rest, bent: look(), asset: gltf.asset });
} catch (error) { await answer({ error: String(error.stack || error) }); }
</script>"""


class Handler(SimpleHTTPRequestHandler):
    answers: list  # set by `ask`
    answered: threading.Event

    def do_GET(self):
        if self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode())
        else:
            super().do_GET()

    def translate_path(self, path):
        if path.startswith("/three/"):
            return str(THREE_JS.resolve() / path.removeprefix("/three/"))
        return super().translate_path(path)

    def do_POST(self):
        self.server.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def ask_browser(folder: Path) -> dict:
    """What the page answers about `folder`/hand.glb."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.answers = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--disable-background-networking", "--disable-quic", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", f"http://127.0.0.1:{server.server_port}/",
    ]  # fmt: skip
    try:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            for _ in range(600):
                if server.answers or browser.poll() is not None:
                    break
                threading.Event().wait(0.1)
            browser.terminate()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert server.answers, "the browser did not answer within a minute"
    return server.answers[0]


def test_three_js_draws_and_bends_the_hand(tmp_path):
    model = open_hand()
    hand = model.shaped(torch.zeros(10))
    write_glb(tmp_path / "hand.glb", hand)
    answer = ask_browser(tmp_path)
    assert "error" not in answer, answer["error"]
    assert tuple(answer["bones"]) == WEBXR_JOINTS

    R = torch.eye(3).repeat(16, 1, 1)
    index = JOINTS_16.index("index_mcp")
    R[index] = roma.rotvec_to_rotmat(model.axes[index - 1, :, FLEXION] * 1.0)
    T = forward_kinematics(R, hand.joints_16, model.parents)
    bent = skin(hand.verts, T, hand.joints_16, model.skin_weights)
    corners = torch.stack([model.faces, model.uv_faces], -1).flatten(0, 1)
    verts_of = torch.unique(corners, dim=0)[:, 0]  # vertices are split at seams of the texture
    for name, verts in (("rest", hand.verts), ("bent", bent)):
        drawn = np.array(answer[name]["verts"]) * [1, -1, -1]
        assert np.abs(drawn - verts[verts_of].numpy()).max() < 1e-5, name

    pictures = []
    for name in ("rest", "bent"):
        (tmp_path / f"{name}.png").write_bytes(base64.b64decode(answer[name]["picture"]))
        with Image.open(tmp_path / f"{name}.png") as picture:
            pictures.append(np.asarray(picture.convert("RGB")).astype(float))
    is_hand = [picture[..., 0] > picture[..., 2] + 20 for picture in pictures]  # skin is redder than the background
    assert 0.05 < is_hand[0].mean() < 0.6
    assert 0.002 < (is_hand[0] != is_hand[1]).mean() < 0.1
