"""What the commands do with files: pictures in; `.hand` files, overlays, meshes and JSON out."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from rich.progress import MofNCompleteColumn, Progress

from ownhand import __version__, tables
from ownhand.calibrate import Anchor
from ownhand.data.augment import Augmentation
from ownhand.data.dataset import ShardDataset
from ownhand.data.photos import PhotoError, to_image
from ownhand.estimators import build
from ownhand.evaluate import evaluate, observe
from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST
from ownhand.hand.builtin import open_hand
from ownhand.hand.export import write_glb, write_mesh
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import measurements_mm
from ownhand.hand.model import HandPose, mirror_pose
from ownhand.hand.skeleton import JOINTS_16
from ownhand.pipeline import NETWORKS, NoHandError, Pipeline, Reconstruction, load, load_networks, shipped_weights
from ownhand.render.overlay import draw_mesh
from ownhand.settings import Settings
from ownhand.tune import tune, untuned
from ownhand.views import DEFAULT_FOV, View, assumed, find_pictures, read_intrinsics, read_view

SCHEMA = "ownhand reconstruction 1"
BATCH = 16


def calibrate_pictures(
    pictures: tuple[Path, ...],
    out: Path,
    *,
    side: str,
    length_mm: float | None,
    length_std_mm: float,
    method: str | None,
    K: Path | None,
    fov: float | None,
    weights: Path | None,
) -> None:
    """`ownhand calibrate`. Raises ValueError with one sentence for input that cannot be used."""
    _check_writable(out.parent)
    views = _views(pictures, side, K, fov)
    pipeline = load(weights)
    anchor = None if length_mm is None else Anchor(length_mm=length_mm, std_mm=length_std_mm)
    found = pipeline.calibrate(views, anchor=anchor, method=method)
    identity, evidence = found.identity, found.identity.evidence
    lengths = measurements_mm(identity, pipeline.hand)
    provenance = {
        "software": f"ownhand {__version__}",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "side": side,
        "camera": _camera_words(views),
        "measurements_mm": {name: list(pair) for name, pair in lengths.items()},
    }
    save_identity(identity, out, provenance=provenance)
    used = 0 if evidence is None else len(evidence.weights)
    print(f"{out}: a hand from {used} of {len(views)} pictures ({_camera_words(views)})")
    for name, (value, error) in lengths.items():
        print(f"  {name:<7} {value:6.1f} mm" + ("" if error is None else f" ± {error:.1f}"))
    if anchor is None:
        print("  Pictures hardly show absolute size: measure the hand and pass --length-mm to settle it.")
    if evidence is not None and found.outliers:
        names = ", ".join(evidence.names[i] for i in found.outliers)
        print(f"  These disagree with the others: {names}")


def reconstruct_pictures(
    pictures: tuple[Path, ...],
    out: Path,
    *,
    hand: Path | None,
    refine: bool,
    side: str,
    K: Path | None,
    fov: float | None,
    weights: Path | None,
) -> None:
    """`ownhand reconstruct`. Raises ValueError with one sentence for input that cannot be used."""
    _check_writable(out)
    views = _views(pictures, side, K, fov)
    pipeline = load(weights)
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
            print(f"{out / view.name}.json: {side} hand, confidence {found.confidence:.2f}")
    if len(missed) == len(views):
        raise NoHandError(f"expected pictures that show a hand, but none was recognised in {', '.join(missed)}")
    if K is None and fov is None and (guessed := [v for v in views if v.camera_source == assumed(DEFAULT_FOV)]):
        print(
            f"{len(guessed)} of {len(views)} pictures do not say their focal length: depth assumes a field of view of "
            f"{DEFAULT_FOV:g} degrees, and is as wrong as that. Pass --K or --fov if you know better."
        )


def write_reconstruction(out: Path, view: View, found: Reconstruction, pipeline: Pipeline, *, camera: str) -> None:
    """STEM.json, STEM.obj and STEM_overlay.jpg of one picture, each written beside and then renamed."""
    overlay = draw_mesh(view.image, found.hand.verts, found.model.faces, found.camera)
    _write_bytes(out / f"{view.name}_overlay.jpg", lambda path: to_image(overlay).save(path, "JPEG", quality=92))
    write_mesh(out / f"{view.name}.obj", found.hand.verts, found.model.faces)
    content = json.dumps(as_json(found, pipeline, camera=camera), indent=1, allow_nan=False) + "\n"
    _write_bytes(out / f"{view.name}.json", lambda path: path.write_text(content))


def as_json(found: Reconstruction, pipeline: Pipeline, *, camera: str) -> dict[str, Any]:
    """The schema of docs/formats.md."""
    return {
        "format": SCHEMA,
        "software": f"ownhand {__version__}",
        "units": {
            "joints": "m, camera frame",
            "keypoints": "px, corner origin",
            "pose": "rotation matrices",
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
        "camera": {"K": found.camera.K.tolist(), "size": list(found.camera.size), "source": camera},
        "reprojection_px": None if found.fit is None else float(found.fit.reprojection_px),
    }


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


def export_hand(source: Path, out: Path, *, side: str) -> None:
    """`ownhand export`: a `.hand` file at rest, or a reconstruction in its pose, as .glb, .obj or .ply."""
    suffix = out.suffix.lower()
    if suffix not in (".glb", ".obj", ".ply"):
        raise ValueError(f"{out}: expected a file ending in .glb, .obj or .ply")
    _check_writable(out.parent)
    model, pose = open_hand(), None
    if source.suffix == ".json":
        shape, pose, is_right = _read_reconstruction(source, model.id)
    else:
        shape, is_right = load_identity(source, model).shape.to(model.template), side == "right"
    if suffix == ".glb":
        right_pose = pose if pose is None or is_right else mirror_pose(pose)
        write_glb(out, model.shaped(shape), right_pose, is_right=is_right)
    else:
        hand = (model if is_right else model.mirrored()).shaped(shape)
        write_mesh(out, hand.verts if pose is None else hand.posed(pose).verts, hand.model.faces)
    print(f"{out}: {'right' if is_right else 'left'} hand, {len(model.template)} vertices")


def _read_reconstruction(path: Path, model_id: str) -> tuple[torch.Tensor, HandPose, bool]:
    try:
        content = json.loads(path.read_text())
        if content["format"] != SCHEMA or content["model"] != model_id:
            raise ValueError(f"it is {content['format']!r} for the hand model {content['model']!r}")
        pose = HandPose(**{name: torch.tensor(value) for name, value in content["pose"].items()})
        return torch.tensor(content["shape"]), pose, bool(content["is_right"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a file written by `ownhand reconstruct` ({error})") from None


def train_and_tune(
    recipe: str,
    data: Sequence[Path],
    val: Sequence[Path],
    out: Path,
    *,
    start: Path | None,
    stages: Sequence[str],
    **options: Any,
) -> None:
    """`ownhand train`: the stages, and once the networks of a pipeline are there, what validation people decide."""
    from ownhand.train import run

    _check_writable(out)
    start = shipped_weights() if start == Path("shipped") else start
    results = run(
        recipe, data=data, val=val, out=out, start=start, stages=stages or None, made_by=_provenance(), **options
    )
    for name, result in results.items():
        best = result["best"] and ", ".join(f"{key} {value:.3f}" for key, value in result["best"]["metrics"].items())
        print(f"{name}: step {result['step']} of {result['steps']}" + (f", {best}" if best else ""))
    if all(result["finished"] for result in results.values()) and _has_networks(out):
        hand = open_hand()
        stored = build.describe(out / "identity")["extra"]["stage"]["augmentation"]
        taught: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in stored.items()}
        view = Augmentation(**taught).middle
        size, box = view.size or 128, view.box or (2.0,)
        settings = Settings(size=size, crop_scale=box[0], upright=view.upright > 0)
        pipeline = untuned(hand, settings, **load_networks(out, hand))
        with _progress() as report:
            pictures = ShardDataset(*val, fields=())
            seen = observe(pipeline, pictures, rows=pictures.singles, progress=report("validation pictures"))
        made_by = {"recipe": recipe, "length": options["length"], "seed": options["seed"], **_provenance()}
        tune(pipeline, seen, out, made_by=made_by)
        print(f"{out}: ready for --weights")


def _has_networks(folder: Path) -> bool:
    return all((folder / f"{stage}.safetensors").exists() for stage in NETWORKS.values())


def evaluate_people(data: Sequence[Path], out: Path, *, pictures: int, weights: Path | None) -> None:
    """`ownhand evaluate`: records and tables."""
    started = time.time()
    _check_writable(out)
    pipeline, people = load(weights), ShardDataset(*data, fields=())
    with _progress() as report:
        observations = observe(pipeline, people, rows=people.singles, progress=report("pictures"))
        records, shapes = evaluate(pipeline, observations, pictures=pictures, progress=report("people"))
    for name, table in (("records", records), ("shapes", shapes)):
        _write_bytes(out / f"{name}.parquet", partial(pq.write_table, table))
    facts = {
        **_provenance(),
        "data": people.fingerprint,
        "people": len(observations.subject.unique()),
        "pictures": len(people),
        "calibration_pictures": pictures,
        "weights": pipeline.settings.made_by,
        "seconds": round(time.time() - started),
    }
    _write_bytes(out / "run.json", lambda path: path.write_text(json.dumps(facts, indent=1) + "\n"))
    text = tables.all_tables(records, shapes, _known_people(data))
    _write_bytes(out / "tables.md", lambda path: path.write_text(text))
    print(text)


def check_data(root: Path, out: Path, *, dataset: str | None, mano: Path | None, cache: Path | None) -> None:
    """`ownhand data check`: what is in a data set's folder, and whether its labels are understood."""
    from ownhand.data.readers import RealPictures, index, recognise
    from ownhand.data.readers.check import compare, report, write_samples
    from ownhand.hand.mano import load_mano

    _check_writable(out.parent)
    with _progress() as shown:
        layout, table, found = index(dataset or recognise(root), root, cache=cache, progress=shown("parts"))
    if mano is None:
        print(report(layout, table, found))
        print("Pass --mano FOLDER (MANO_RIGHT.pkl, MANO_LEFT.pkl) to see whether joints land on their labels.")
        return
    left = mano / "MANO_LEFT.pkl"
    hands = load_mano(mano / "MANO_RIGHT.pkl"), load_mano(left) if left.exists() else None
    pictures = RealPictures(layout, root, table, *hands)
    print(report(layout, table, found, compare(pictures)))
    write_samples(pictures, out)
    print(f"{out}: look whether the joints are on the hands")


def make_benchmark(out: Path, parts: Sequence[str], *, size: int, workers: int, ray: str | None) -> None:
    """`ownhand benchmark`: the pictures, and what the manifest says of them."""
    from ownhand.synth import ownhand_id
    from ownhand.synth.generator import Generator
    from ownhand.synth.write import write

    _check_writable(out)
    for part in parts:
        generator = Generator(ownhand_id.WORLDS[part], size=size)
        print(write(out / part, generator, people=ownhand_id.PEOPLE[part], workers=workers, ray=ray))
        records = list(ownhand_id.stored_records(part, ShardDataset(out / part, fields=())))
        differing = ownhand_id.differences(records, ownhand_id.manifest(part))
        if differing:
            raise ValueError(
                f"{out / part} is not OwnHand-ID {ownhand_id.VERSION}: {len(differing)} of {len(records)} pictures "
                f"differ from the manifest; {differing[0]}"
            )
        print(f"{out / part} is OwnHand-ID {ownhand_id.VERSION}: all labels are those of the manifest")


def _known_people(folders: Sequence[Path]) -> dict[int, dict[str, str]]:
    """What is known of synthetic people: numbered as `ShardDataset` numbers those of several folders."""
    from ownhand.synth.plan import people_facts

    found: dict[int, dict[str, str]] = {}
    for folder in folders:
        first = 1 + max(found, default=-1)
        found |= {first + number: facts for number, facts in enumerate(people_facts(folder))}
    return found


@contextmanager
def _progress() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Bars on the screen: gives, by the name of a task, what is to be called with how many of how many are done."""
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:

        def report(name: str) -> Callable[[int, int], None]:
            task = bar.add_task(name)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield report


def _provenance() -> dict[str, Any]:
    """What a number needs beside it to be repeated: command, version, commit if there is one, machine, date.

    Of absolute paths only the last part is kept: where somebody keeps files is nobody's business.
    """
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "command": " ".join(["ownhand", *(Path(word).name if os.path.isabs(word) else word for word in sys.argv[1:])]),
        "software": f"ownhand {__version__}",
        "commit": commit.stdout.strip() or "unknown",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, torch {torch.__version__}",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _views(pictures: tuple[Path, ...], side: str, K: Path | None, fov: float | None) -> list[View]:
    intrinsics = None if K is None else read_intrinsics(K)
    views, taken = [], set()
    for path in find_pictures(pictures):
        view = read_view(path, K=intrinsics, fov=fov, is_right=side == "right")
        if K is not None:
            view = replace(view, camera_source=f"intrinsics from {K.name}")
        if view.name in taken:
            raise PhotoError(f"{path}: expected pictures with different names, but two are called {view.name}")
        taken.add(view.name)
        views.append(view)
    return views


def _camera_words(views: Sequence[View]) -> str:
    return ", ".join(dict.fromkeys(view.camera_source for view in views))


def _check_writable(folder: Path) -> None:
    """Make the folder, and find out now rather than after the work whether it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".ownhand-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"{folder}: cannot write there ({error.strerror})") from None


def _write_bytes(path: Path, write: Any) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
