"""`ownhand app` as visitors use it, in a real browser. Needs Gradio, playwright and chromium on the PATH; else skipped.

Nothing is loaded from the network, and the test says so if that changes.
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from urllib.parse import urlsplit

import pygltflib
import pytest
from PIL import Image

from ownhand import settings as stored
from ownhand.app.given import MB
from ownhand.data.dataset import ShardDataset
from ownhand.data.photos import to_image, to_tensor
from ownhand.hand.builtin import open_hand
from ownhand.hand.hand_file import load_identity
from ownhand.hand.measure import length_mm

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on the PATH")

SERVE = """
import sys
from pathlib import Path

def note(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "::1"):
        Path(sys.argv[3]).write_text(str(args[1]))

sys.addaudithook(note)
from ownhand.app.server import serve
serve("127.0.0.1", int(sys.argv[1]), Path(sys.argv[2]), linger_s=0.3)
"""
PHONE = {"width": 390, "height": 844}
WAIT_MS = 60_000


def until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    assert true()


@pytest.fixture(scope="module")
def weights(tiny_weights, tmp_path_factory):
    """Tiny networks that see a hand everywhere."""
    folder = shutil.copytree(tiny_weights, tmp_path_factory.mktemp("app") / "weights")
    stored.save_settings(folder, replace(stored.load_settings(folder), min_keypoint_confidence=0.0))
    return folder


@pytest.fixture(scope="module")
def served(weights, tmp_path_factory):
    """Address of the page, and the folder in which its process keeps temporary files."""
    folder = tmp_path_factory.mktemp("served")
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port = some.getsockname()[1]
    elsewhere = folder / "elsewhere"
    command = [sys.executable, "-c", SERVE, str(port), str(weights), str(elsewhere)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(folder)}
    ) as process:
        try:
            assert process.stdout.readline().startswith(f"http://127.0.0.1:{port} shows your hand")
            yield f"http://127.0.0.1:{port}", folder
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert not list(folder.glob("ownhand-*"))
    assert not elsewhere.exists()  # the server asked no other machine


@pytest.fixture(scope="module")
def browser():
    arguments = [
        "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    ]  # fmt: skip
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(served, browser):
    """Opens the page for one more visitor; in the end nothing was asked of other machines, and no script failed."""
    contexts, asked, failed = [], [], []

    def open_page(size=PHONE):
        contexts.append(browser.new_context(viewport=size, accept_downloads=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(served[0])
        page.get_by_role("button", name="Find my hand").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert {urlsplit(url).hostname for url in asked if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    assert not failed


@pytest.fixture
def photos(few_pictures, tmp_path):
    data = ShardDataset(few_pictures, fields=())
    paths = [tmp_path / f"p{i}.jpg" for i in range(3)]
    for i, path in enumerate(paths):
        to_image(data[i].image).save(path)
    return paths


def give(page, files, which=0):
    page.locator("input[type=file]").nth(which).set_input_files(files)


def downloaded(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value


def test_a_visitor_goes_from_pictures_to_downloads_on_a_phone(visit, photos, served, tmp_path):
    page = visit()
    (tmp_path / "no.jpg").write_text("no picture")
    give(page, [*photos, tmp_path / "no.jpg"])
    page.locator("#given .thumbs img").nth(2).wait_for()
    assert "3 pictures of at most 60" in page.inner_text("#given")
    assert "no.jpg: expected a picture (JPEG, PNG, ...), but its content is not one" in page.inner_text("#given")
    page.get_by_label("Left").check()
    page.get_by_label("Its length").fill("187,5")
    page.get_by_role("button", name="Find my hand").click()
    page.get_by_role("heading", name="Your left hand, from 3 pictures").wait_for()

    cells = page.get_by_role("row", name="hand length").inner_text().split()
    assert float(cells[2]) == pytest.approx(187.5, abs=2)
    assert re.search(r"\d to \d", page.inner_text("#numbers"))
    assert "one standard deviation" in page.inner_text("#scale")
    page.locator("#model canvas").scroll_into_view_if_needed()

    def hand_is_drawn():
        with Image.open(io.BytesIO(page.locator("#model canvas").screenshot())) as image:
            picture = to_tensor(image)
        return float((picture.amax(0) - picture.amin(0) > 0.15).float().mean()) > 0.02

    until(hand_is_drawn)
    assert page.locator("#pictures .thumbs img").count() == 3
    assert page.locator("#before .three img").count() == 9
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    file = tmp_path / "me.hand"
    downloaded(page, "me.hand").save_as(file)
    identity = load_identity(file, open_hand())
    assert float(length_mm(open_hand(), identity.shape.float())) == pytest.approx(float(cells[2]), abs=0.1)
    downloaded(page, "me.glb").save_as(tmp_path / "me.glb")
    assert pygltflib.GLTF2().load(tmp_path / "me.glb").asset.extras["side"] == "left"

    give(page, photos[:2], which=-1)
    page.locator("#new .three img").nth(5).wait_for()
    archive = downloaded(page, "zip").path().read_bytes()
    assert "p0.json" in zipfile.ZipFile(io.BytesIO(archive)).namelist()

    other = visit()
    other.get_by_role("tab", name=".hand file").click()
    give(other, file, which=1)
    other.get_by_role("heading", name="The hand in your file").wait_for()
    assert other.inner_text("#numbers") == page.inner_text("#numbers")

    kept = next(served[1].glob("ownhand-*"))
    assert len(list(kept.iterdir())) == 2  # one folder per visitor: what was uploaded is gone
    page.close()
    other.close()
    until(lambda: not list(kept.iterdir()))


def test_visitors_do_not_see_each_other(visit, photos):
    one, other = visit(), visit()
    give(one, photos)
    one.locator("#given .thumbs img").nth(2).wait_for()
    give(other, photos[:1])
    other.locator("#given .thumbs img").first.wait_for()
    assert "1 picture of" in other.inner_text("#given")
    other.get_by_role("button", name="Remove all pictures").click()
    other.locator("#given .thumbs").wait_for(state="detached")
    assert "3 pictures of" in one.inner_text("#given")
    one.get_by_role("button", name="Find my hand").click()
    other.get_by_role("button", name="Find my hand").click()
    assert other.get_by_role("alert").inner_text() == "Add some pictures of your hand first."
    one.locator("#headline h2").wait_for()
    assert other.locator("#headline h2").count() == 0


def test_too_many_and_too_large_files_are_refused(visit, photos, tmp_path):
    page = visit()
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(21 * MB)
    many = []
    for i in range(60):
        many.append(tmp_path / f"many{i}.jpg")
        shutil.copyfile(photos[0], many[-1])
    give(page, [large, *photos[:2], *many])
    page.locator("#given .thumbs img").nth(59).wait_for()
    text = page.inner_text("#given")
    assert "60 pictures of at most 60" in text
    assert "large.jpg: a picture may have 20 MB at most, this one has 21 MB" in text
    assert "many58.jpg, many59.jpg: 60 pictures at most are used at once" in text
    endless = tmp_path / "endless.mp4"
    with endless.open("wb") as file:
        file.truncate(201 * MB)
    give(page, endless)
    page.get_by_text("exceed the maximum allowed size of 200").wait_for()


def test_everything_is_reached_by_keyboard(visit):
    page = visit({"width": 1280, "height": 900})
    page.keyboard.press("Tab")
    reached = []
    for _ in range(12):
        reached.append(page.evaluate("(e => e.getAttribute('aria-label') || e.innerText)(document.activeElement)"))
        if reached[-1] == "Find my hand":
            break
        page.keyboard.press("Tab")
    assert "Photos or clip" in reached
    assert "Click to upload or drop files" in reached
    page.keyboard.press("Enter")
    assert page.get_by_role("alert").inner_text() == "Add some pictures of your hand first."
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_webcam_gives_pictures(visit):
    page = visit()
    page.get_by_role("tab", name="Webcam").click()
    page.get_by_text("Click to Access Webcam").click()
    page.get_by_role("button", name="capture photo").click()
    page.locator("#given .thumbs img").wait_for()
    assert "1 picture of" in page.inner_text("#given")
