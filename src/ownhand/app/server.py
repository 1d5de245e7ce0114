"""The page itself, made with Gradio: what it asks, what it shows, and what it keeps to itself."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr

from ownhand.app.answers import SIDES, Answers
from ownhand.app.given import CLIP_FRAMES, CLIP_MB, MB, PHOTO_MB, PICTURES
from ownhand.app.session import LINGER_S, Sessions
from ownhand.page import PIECES
from ownhand.pipeline import Pipeline, load

KEPT_S = 6 * 3600
"""For how long Gradio keeps files that nobody fetched [s]; a visitor's own are gone with the visit."""
NETWORKS: dict[str, Any] = {"concurrency_id": "networks", "concurrency_limit": 1}
"""Those who use the networks wait for each other, and see how many are before them."""


def serve(host: str, port: int, weights: Path | None, *, linger_s: float = LINGER_S) -> None:
    """Serve the page until it is interrupted or terminated; then all that it was given is deleted.

    Args:
        host: Address to listen at.
        port: Port to listen at.
        weights: See `load`.
        linger_s: For how long what visitors gave is kept when their page is gone.

    Raises:
        ValueError: The port cannot be used.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pipeline = load(weights)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with tempfile.TemporaryDirectory(prefix="ownhand-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        page = build(pipeline, Sessions(Path(folder), linger_s=linger_s))
        try:
            launch(page, host, port)
        except OSError:
            raise ValueError(f"port {port} of {host} cannot be used: choose another with --port") from None
        try:
            print(f"http://{host}:{port} shows your hand; pictures stay on this computer. Ctrl-C stops it.", flush=True)
            page.block_thread()
        finally:
            page.close(verbose=False)


def launch(page: gr.Blocks, host: str, port: int) -> None:
    """Start it without blocking: on this machine only, nothing shared, nothing counted, nothing loaded from elsewhere.

    Raises:
        OSError: The port cannot be used.
    """
    style = resources.files("ownhand").joinpath("app/style.css").read_text()
    page.launch(
        server_name=host, server_port=port, share=False, inbrowser=False, quiet=True, prevent_thread_lock=True,
        max_file_size=CLIP_MB * MB, footer_links=[], run_history=False, ssr_mode=False, pwa=False,
        enable_monitoring=False, mcp_server=False, theme=_theme(),
        css=f"{style}\n.own {{{PIECES}}}",
    )  # fmt: skip


def _theme() -> gr.Theme:
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    base = gr.themes.Base(
        primary_hue="emerald",
        neutral_hue="slate",
        radius_size="lg",
        font=fonts,
        font_mono=["ui-monospace", "monospace"],
    )
    return base.set(
        button_primary_background_fill="*primary_700", button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700", button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white", body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400", block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400", block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_300", checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_600",
    )  # fmt: skip


def build(pipeline: Pipeline, sessions: Sessions) -> gr.Blocks:
    """The page.

    Args:
        pipeline: What finds and reconstructs hands, for one visitor at a time.
        sessions: The visitors.
    """
    answers = Answers(pipeline, sessions)
    private: dict[str, Any] = {"api_visibility": "private"}
    networks = NETWORKS | private
    with gr.Blocks(title="ownhand", analytics_enabled=False, delete_cache=(600, KEPT_S)) as page:
        _text(
            "<h1>Whose hand is it?</h1><p>A few pictures give your hand in 3D, with error bars. They stay on the "
            "computer that serves this page, and are forgotten when you leave it.</p>"
        )
        with gr.Column(elem_classes="step"):
            _text(
                "<h2>1. Pictures</h2><p>5 to 20 of one hand, in different poses; it should fill about half of each. "
                f'Or a clip, of which {CLIP_FRAMES} frames are taken.</p><p class="dim">At most {PICTURES} pictures '
                f"of {PHOTO_MB} MB each, clips of {CLIP_MB} MB.</p>"
            )
            with gr.Tabs():
                with gr.Tab("Photos or clip"):
                    files = _files("Photos or a clip", ["image", "video"])
                with gr.Tab("Webcam"):
                    webcam = gr.Image(
                        sources=["webcam"], show_label=False, label="Webcam", height=320, buttons=[],
                        webcam_options=gr.WebcamOptions(mirror=False),
                    )  # fmt: skip
                    webcam = _by_path(webcam)
                with gr.Tab(".hand file"):
                    hand_file = _files("A .hand file", [".hand"])
            given = _text(elem_id="given")
            forget = gr.Button("Remove all pictures", size="sm", visible=False)
        with gr.Column(elem_classes="step"):
            _text("<h2>2. The hand</h2>")
            with gr.Row():
                side = gr.Radio(list(SIDES), value="I don't know", label="Which hand?", min_width=280)
                length = gr.Textbox(
                    label="Its length, if you measured it (mm)", placeholder="not measured", min_width=280, max_lines=1,
                    info="From the crease of the wrist to the tip of the middle finger.",
                )  # fmt: skip
            start = gr.Button("Find my hand", variant="primary", size="lg")
            status = _text(elem_id="status", min_height=48)
        with gr.Column(elem_classes="step", visible=False) as results:
            headline = _text(elem_id="headline")
            with gr.Row():
                with gr.Column(min_width=300):
                    model = gr.Model3D(
                        show_label=False, label="Your hand in 3D", height=360, interactive=False, elem_id="model"
                    )
                    turn = gr.Checkbox(True, label="Turn by itself", container=False)
                    scale = _text(elem_id="scale")
                with gr.Column(min_width=300):
                    numbers = _text(elem_id="numbers")
                    get_hand = gr.DownloadButton("Download me.hand", variant="primary")
                    get_glb = gr.DownloadButton("Download me.glb (rigged)")
            pictures, before = _text(elem_id="pictures"), _text(elem_id="before")
        with gr.Column(elem_classes="step", visible=False) as more:
            _text("<h2>3. New pictures</h2><p>In each of them your hand keeps its shape; only its pose is found.</p>")
            new_files = _files("New pictures", ["image", "video"])
            new_status, new = _text(elem_id="new_status"), _text(elem_id="new")
            get_zip = gr.DownloadButton("Download meshes, overlays and JSON (.zip)", visible=False)

        changed = [files, webcam, given, forget, status]
        files.upload(answers.add, files, changed, show_progress_on=given, concurrency_limit=2, **private)
        webcam.input(answers.add, webcam, changed, show_progress="hidden", concurrency_limit=2, **private)
        forget.click(answers.remove, None, changed, show_progress="hidden", **private)

        found = [status, results, more, headline, scale, numbers, get_hand, get_glb, pictures, before]
        finding = start.click(answers.find, [side, length], found, show_progress_on=status, **networks)
        taking = hand_file.upload(
            answers.take, [hand_file, side], [hand_file, *found], show_progress_on=status, **networks
        )
        # Gradio's viewer stays empty if it gets its first model together with other changes.
        for event in (finding, taking):
            event.then(answers.show, turn, model, show_progress="hidden", **private)
        turn.input(answers.show, turn, model, show_progress="hidden", **private)

        reconstructed = [new_files, new_status, new, get_zip]
        new_files.upload(answers.reconstruct, [new_files, side], reconstructed, show_progress_on=new_status, **networks)
        page.unload(answers.leave)
    page.queue(api_open=False)
    return page


def _text(value: str = "", **more: Any) -> gr.HTML:
    return gr.HTML(value, elem_classes="own", **more)


def _files(label: str, kinds: list[str]) -> gr.File:
    files = gr.File(label=label, show_label=False, file_count="multiple", file_types=kinds, height=150)
    return _by_path(files)


def _by_path(component: Any) -> Any:
    """Gives functions the paths of what was uploaded. Gradio's own way makes further files that nobody deletes."""

    def paths(payload: Any) -> list[str]:
        files = [] if payload is None else getattr(payload, "root", [payload])
        return [file.path for file in files]

    component.preprocess = paths
    return component
