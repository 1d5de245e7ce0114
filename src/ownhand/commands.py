"""What the commands do with files: pictures in; `.hand` files, overlays, meshes and JSON out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ownhand import __version__
from ownhand.about import ONE_PERSON
from ownhand.calibrate import BEST, MORE, Anchor, Outlook, calibrate, outlook, strangers
from ownhand.console import check_writable, progress
from ownhand.data.cameras import read_cameras
from ownhand.data.parameters import read_parameters
from ownhand.data.photos import to_image
from ownhand.data.video import VideoWriter, frame_count, frame_size, is_video, read_frames
from ownhand.exports import MANO_FILE, SCHEMA
from ownhand.files import write_beside, write_text
from ownhand.geometry.camera import Camera
from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST
from ownhand.hand.builtin import open_hand
from ownhand.hand.export import write_mesh
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import Identity, measurements_mm
from ownhand.hand.mano import load_mano
from ownhand.hand.model import HandModel, HandPose, mirror_pose
from ownhand.hand.skeleton import JOINTS_16
from ownhand.inputs import Counted, find_hands, hands_in_video, with_cards
from ownhand.onnx_export import MANIFEST, export_onnx
from ownhand.pipeline import NoHandError, Pipeline, load, shipped_weights
from ownhand.render.overlay import draw_mesh
from ownhand.results import Reconstruction
from ownhand.smooth import Smoothness
from ownhand.track import Tracker
from ownhand.views import DEFAULT_FOV, View, assumed

BATCH = 16
SAVE_EVERY = 25
"""Frames of a video after which is kept where the tracker is: what a kill costs at most."""


def calibrate_pictures(
    pictures: tuple[Path, ...],
    out: Path,
    *,
    side: str | None,
    length_mm: float | None,
    length_std_mm: float,
    card: tuple[str, ...],
    method: str | None,
    K: Path | None,
    fov: float | None,
    hands: Path | None,
    weights: Path | None,
    mano: Path | None,
) -> None:
    """`ownhand calibrate`. Raises ValueError with one sentence for input that cannot be used."""
    check_writable(out.parent)
    anchor = None if length_mm is None else Anchor(length_mm=length_mm, std_mm=length_std_mm)
    if card and (length_mm is not None or pictures[0].suffix in (".npz", ".json") or is_video(pictures[0])):
        raise ValueError(
            "a card goes with pictures of hands whose length was not measured: leave --card or the other out"
        )
    if len(pictures) == 1 and pictures[0].suffix in (".npz", ".json"):
        hand = open_hand() if mano is None else load_mano(mano / MANO_FILE)
        known = read_parameters(pictures[0], hand)
        if anchor is not None:
            raise ValueError("a measured length needs pictures: how far to trust the estimates of others is not known")
        found = calibrate(
            hand,
            known.R_parent_joint,
            known.shape,
            known.confidence,
            method=method or "robust",  # pyright: ignore
            names=known.names,
        )
        count, source = len(known.shape), f"estimates from {pictures[0].name}"
    else:
        pipeline = load(weights)
        if len(pictures) == 1 and is_video(pictures[0]):
            cameras = None if K is None else read_cameras(K)
            source = assumed(fov or DEFAULT_FOV) if K is None else f"intrinsics from {K.name}"
            views = Counted(hands_in_video(pipeline, pictures[0], side, cameras, fov))
        else:
            views = find_hands(pipeline, pictures, side, K, fov, hands)
            views = with_cards(views, card) if card else views
            source = camera_words(view.camera_source for view in views)
        found, hand = pipeline.calibrate(views, anchor=anchor, method=method), pipeline.hand
        count = len(views)
    identity, evidence = found.identity, found.identity.evidence
    saved = save_hand(identity, hand, out, side=side or "both", camera=source)
    used = 0 if evidence is None else len(evidence.weights)
    print(f"{out}: a hand from {used} of {count} pictures ({source})")
    for name, (value, error) in saved.lengths.items():
        print(f"  {name:<7} {value:6.1f} mm" + ("" if error is None else f" ± {error:.1f}"))
    if size_is_open(saved.lengths):
        print("  Pictures hardly show absolute size: measure the hand and pass --length-mm to settle it.")
    if (expected := saved.expected) is not None:
        like, unlike, what = expected.alike_mm, expected.different_mm, f"{MORE} more"
        print(f"  Proportions are off by {expected.now_mm:.2f} mm, expected of people calibrated like this.")
        print(
            f"  {what} pictures like these: {like:.2f} mm; {what} from elsewhere, in other poses: {unlike:.2f} mm."
            + ("" if expected.worthwhile else " More pictures like these will not help much.")
        )
        print(f"  Most is seen in sharp pictures of {BEST}.")
    if evidence is not None and found.outliers:
        names = ", ".join(evidence.names[i] for i in found.outliers)
        print(f"  These disagree with the others: {names}")
    if saved.strangers:
        print(f"  {ONE_PERSON} {', '.join(saved.strangers)}")


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What a `.hand` file says to people.

    Attributes:
        lengths: What the hand measures and how sure that is, as `measurements_mm`.
        expected: What errors to expect, now and with more pictures; None if nobody knows.
        strangers: Names of the pictures that look like another person's hand.
    """

    lengths: dict[str, tuple[float, float | None]]
    expected: Outlook | None
    strangers: tuple[str, ...]


def save_hand(identity: Identity, hand: HandModel, out: Path, *, side: str, camera: str) -> Saved:
    """A calibrated hand as a `.hand` file that says what it was made by: side, and in words how cameras were known."""
    saved = Saved(
        lengths=measurements_mm(identity, hand), expected=outlook(identity, hand), strangers=strangers(identity)
    )
    expected = saved.expected
    provenance = {
        "software": f"ownhand {__version__}",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "side": side,
        "camera": camera,
        "measurements_mm": {name: list(pair) for name, pair in saved.lengths.items()},
        "expected_mm": None
        if expected is None
        else {
            "now": expected.now_mm,
            f"with {MORE} more like these": expected.alike_mm,
            f"with {MORE} more unlike these": expected.different_mm,
            "independent pictures": expected.independent,
        },
        "strangers": list(saved.strangers),
    }
    save_identity(identity, out, provenance=provenance)
    return saved


def size_is_open(lengths: dict[str, tuple[float, float | None]]) -> bool:
    """Whether a measured length would tell much more: that of the hand is not known to 2 %."""
    length, error = lengths["length"]
    return error is None or error > 0.02 * length


def reconstruct_pictures(
    pictures: tuple[Path, ...],
    out: Path,
    *,
    hand: Path | None,
    refine: bool,
    side: str | None,
    K: Path | None,
    fov: float | None,
    hands: Path | None,
    weights: Path | None,
) -> None:
    """`ownhand reconstruct`. Raises ValueError with one sentence for input that cannot be used."""
    check_writable(out)
    pipeline = load(weights)
    views = find_hands(pipeline, pictures, side, K, fov, hands)
    identity = None if hand is None else load_identity(hand, pipeline.hand)
    missed = []
    for start in range(0, len(views), BATCH):
        some = views[start : start + BATCH]
        for view, found in zip(some, pipeline.reconstruct(some, identity, refine=refine), strict=True):
            if found is None:
                missed.append(view.name)
                print(f"{view.name}: no hand recognised", file=sys.stderr)
                continue
            original = view if view.is_right else view.mirrored()
            write_reconstruction(out, original, found, pipeline, camera=view.camera_source)
            which = "right" if found.is_right else "left"
            distance, error = found.distance
            away = f"{distance:.2f} m away" if error is None else f"{distance:.2f} ± {error:.2f} m away"
            print(f"{out / view.name}.json: {which} hand, confidence {found.confidence:.2f}, {away}")
    if len(missed) == len(views):
        raise NoHandError(f"expected pictures that show a hand, but none was recognised in {', '.join(missed)}")
    if K is None and fov is None and (guessed := [v for v in views if v.camera_source == assumed(DEFAULT_FOV)]):
        print(
            f"{len(guessed)} of {len(views)} pictures do not say their focal length: depth assumes a field of view of "
            f"{DEFAULT_FOV:g} degrees, and is as wrong as that. Pass --K or --fov if you know better."
        )


def track_video(
    video: Path,
    out: Path,
    *,
    hand: Path | None,
    refine: bool,
    smooth: bool,
    K: Path | None,
    fov: float | None,
    weights: Path | None,
) -> None:
    """`ownhand track`: OUT/hand_N/FRAME.json of every hand and frame, then OUT/overlay.mp4."""
    check_writable(out)
    pipeline = load(weights)
    identity = None if hand is None else load_identity(hand, pipeline.hand)
    known, undistortion = None, None
    if K is not None:
        size = frame_size(video)
        known = read_cameras(K).of(None, size)
        undistortion = known.undistortion(size)
    tracker = Tracker(
        pipeline, identity, camera=known, fov=fov, refine=refine, smoothness=Smoothness() if smooth else None,
    )  # fmt: skip
    source = f"intrinsics from {K.name}" if K is not None else assumed(fov or DEFAULT_FOV)
    about = {"video": video.name, "bytes": video.stat().st_size, "camera": source, "refine": refine, "smooth": smooth}
    about["shape"] = None if identity is None else identity.shape.tolist()
    done, state = 0, out / "state.json"
    if state.exists():
        found = json.loads(state.read_text())
        if found["about"] != about:
            raise ValueError(f"{out} holds the hands of another video, or others of this one: choose another folder")
        done, tracker.state = found["done"], found["tracker"]
    with progress() as report:
        show, total = report("hands"), frame_count(video)
        for number, (time, image) in enumerate(read_frames(video)):
            if number < done:
                continue
            for found in tracker.update(image, time):
                content = as_json(found.hand, pipeline, camera=source) | {"time": time}
                path = out / f"hand_{found.number}" / f"{number:06d}.json"
                path.parent.mkdir(exist_ok=True)
                write_text(path, json.dumps(content, allow_nan=False) + "\n")
            done = number + 1
            if done % SAVE_EVERY == 0:
                write_text(state, json.dumps({"about": about, "done": done, "tracker": tracker.state}) + "\n")
            show(done, max(total, done))
        write_text(state, json.dumps({"about": about, "done": done, "tracker": tracker.state}) + "\n")
        show = report("overlay")
        with VideoWriter(out / "overlay.mp4") as overlay:
            for number, (time, image) in enumerate(read_frames(video)):
                if undistortion is not None:
                    image = undistortion.image(image)
                for path in sorted(out.glob(f"hand_*/{number:06d}.json")):
                    image = _with_hand(image, json.loads(path.read_text()), pipeline)
                overlay.add(image, time)
                show(number + 1, max(total, number + 1))
    hands = sorted(out.glob("hand_*"), key=lambda path: int(path.name.split("_")[1]))
    for folder in hands:
        print(f"{folder}: {len(list(folder.glob('*.json')))} of {done} frames")
    print(f"{out / 'overlay.mp4'}: {len(hands)} hand{'s' if len(hands) != 1 else ''}")


def _with_hand(image: Tensor, content: dict[str, Any], pipeline: Pipeline) -> Tensor:
    """A frame with one hand drawn on it, as its JSON says."""
    model = pipeline.hand if content["is_right"] else pipeline.hand.mirrored()
    pose = HandPose(**{name: torch.tensor(value) for name, value in content["pose"].items()})
    verts = model.shaped(torch.tensor(content["shape"])).posed(pose).verts
    shown = content["camera"].get("pinhole") or content["camera"]
    camera = Camera(K=torch.tensor(shown["K"]), size=tuple(shown["size"]))
    return draw_mesh(image, verts, model.faces, camera)


def write_reconstruction(out: Path, view: View, found: Reconstruction, pipeline: Pipeline, *, camera: str) -> None:
    """STEM.json, STEM.obj and STEM_overlay.jpg of one picture, each written beside and then renamed."""
    overlay = draw_mesh(view.image, found.hand.verts, found.model.faces, found.camera)
    write_beside(out / f"{view.name}_overlay.jpg", lambda path: to_image(overlay).save(path, "JPEG", quality=92))
    write_mesh(out / f"{view.name}.obj", found.hand.verts, found.model.faces)
    content = json.dumps(as_json(found, pipeline, camera=camera), indent=1, allow_nan=False) + "\n"
    write_text(out / f"{view.name}.json", content)


def as_json(found: Reconstruction, pipeline: Pipeline, *, camera: str) -> dict[str, Any]:
    """The schema of docs/formats.md."""
    return {
        "format": SCHEMA,
        "software": f"ownhand {__version__}",
        "units": {
            "joints": "m, camera frame",
            "keypoints": "px, corner origin",
            "pose": "rotation matrices, t_cam_root in m",
            "position_covariance": "m^2, camera frame",
            "K": "px",
        },
        "model": pipeline.hand.id,
        "is_right": found.is_right,
        "confidence": found.confidence,
        "keypoints": found.keypoints.tolist(),
        "keypoint_confidence": found.keypoint_confidence.tolist(),
        "joints": found.hand.joints.tolist(),
        "shape": found.shape.tolist(),
        "pose": {
            "R_cam_root": found.pose.R_cam_root.tolist(),
            "R_parent_joint": found.pose.R_parent_joint.tolist(),
            "t_cam_root": found.pose.t_cam_root.tolist(),
        },
        "angles_deg": _angles_deg(found, pipeline),
        "position_covariance": None if found.position_covariance is None else found.position_covariance.tolist(),
        "camera": _camera_json(found, camera),
        "reprojection_px": None if found.fit is None else float(found.fit.reprojection_px),
    }


def _camera_json(found: Reconstruction, source: str) -> dict[str, Any]:
    def numbers(camera: Camera) -> dict[str, Any]:
        return {"K": camera.K.tolist(), "size": list(camera.size)}

    undistortion = found.undistortion
    if undistortion is None:
        return {**numbers(found.camera), "distortion": None, "pinhole": None, "source": source}
    lens = undistortion.lens
    distortion = {"model": lens.model, "coefficients": lens.coefficients.tolist()}
    pinhole = numbers(undistortion.pinhole)
    return {**numbers(undistortion.camera), "distortion": distortion, "pinhole": pinhole, "source": source}


def _angles_deg(found: Reconstruction, pipeline: Pipeline) -> dict[str, dict[str, float]] | None:
    """Flexion, abduction and twist of each joint by name; None for a hand model without anatomical axes."""
    if pipeline.limits is None:
        return None
    pose = found.pose if found.is_right else mirror_pose(found.pose)
    angles = pipeline.limits.angles(pose.R_parent_joint).rad2deg().tolist()
    axes = {"flexion": FLEXION, "abduction": ABDUCTION, "twist": TWIST}
    return {
        joint: {name: round(of_joint[axis], 2) for name, axis in axes.items()}
        for joint, of_joint in zip(JOINTS_16[1:], angles, strict=True)
    }


def export_networks(out: Path, *, weights: Path | None, mano: Path | None) -> None:
    """`ownhand onnx`: ONNX files and what they are."""
    check_writable(out)
    hand = open_hand() if mano is None else load_mano(mano / "MANO_RIGHT.pkl")
    with progress() as report:
        export_onnx(shipped_weights() if weights is None else weights, out, hand, report("graphs"))
    for path in sorted(out.glob("*.onnx")):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"{out}: ready for --weights; {out / MANIFEST} says what goes in and what comes out")


def camera_words(sources: Iterable[str]) -> str:
    """How the intrinsics of some pictures are known, from the words for each."""
    return ", ".join(dict.fromkeys(sources))
