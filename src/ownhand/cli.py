"""The commands. Heavy imports happen inside each one, so that `--help` and `info` answer at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

Pictures = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURES...")]
Out = Annotated[Path, tyro.conf.arg(aliases=["-o"])]
Side = Literal["right", "left"]
Group = Literal["people", "poses", "things", "light", "behind", "forearm"]
Method = Literal["paper", "squared", "robust", "mean", "median", "top-k", "bayes", "joint", "fit"]


def demo(
    *,
    out: Out = Path("out/demo"),
    seed: int = 7,
    pictures: int = 20,
    show: int = 12,
    weights: Path | None = None,
) -> None:
    """Meet a stranger: calibrate on 20 synthetic pictures, reconstruct new ones, write one HTML page.

    Args:
        out: Folder for the page, `index.html`, and the calibrated `stranger.hand`.
        seed: Which person is drawn. Any number: nobody was picked by hand.
        pictures: Pictures to calibrate from.
        show: New pictures to reconstruct and show.
        weights: Folder with trained weights; those shipped with the package when not given.
    """
    from ownhand.demo import run

    print(run(out, seed=seed, pictures=pictures, show=show, weights=weights))


def calibrate(
    pictures: Pictures,
    /,
    *,
    out: Out = Path("me.hand"),
    side: Side | None = None,
    length_mm: float | None = None,
    length_std_mm: float = 1.0,
    card: tuple[str, ...] = (),
    method: Method | None = None,
    K: Path | None = None,
    fov: float | None = None,
    hands: Path | None = None,
    weights: Path | None = None,
    mano: Path | None = None,
) -> None:
    """Find a person's hand from pictures of it that nobody annotated; 20 are plenty.

    Args:
        pictures: Pictures of one person's hands, left or right. Folders are searched. Or a video; or one .npz or .json
            with what another system said of each picture (docs/formats.md).
        out: Where the hand goes (a small JSON file).
        side: Use one hand of each picture, of this side. When not given, all hands that are found count, and both
            sides of a person are taken to be alike.
        length_mm: The hand's length, wrist crease to the tip of the middle finger, if you have measured it:
            a picture alone can hardly tell a large hand from a near one.
        length_std_mm: How sure that length is (one standard deviation).
        method: How the pictures are combined; the default is the one that did best on validation people.
        card: A bank card lies beside the hand, in its plane: the file with its corners in each picture
            (docs/formats.md), or the x and y of four corners if there is one picture. Needs a known camera.
        K: The camera: 3 x 3 intrinsics [px] as .npy or text, a calibration of OpenCV or ROS, COLMAP's cameras.txt, or
            our .json (docs/formats.md), in which each picture may have its own. Lens distortion is undone; cameras in
            known places that saw the hand at once settle its size.
        fov: Field of view along the longer side [degrees], when there is no K. Without either, the focal length that
            the camera wrote into the file (EXIF) counts, and where there is none, 60 degrees.
        hands: Where the hands are, or their joints, as another program found them: our JSON, COCO-WholeBody, MediaPipe,
            or a folder of OpenPose's (docs/formats.md). Joints are believed instead of our own.
        weights: Folder with trained weights; those shipped with the package when not given.
        mano: Folder with MANO_RIGHT.pkl, if the estimates of another system are MANO's.
    """
    from ownhand.commands import calibrate_pictures

    calibrate_pictures(
        pictures, out, side=side, length_mm=length_mm, length_std_mm=length_std_mm, card=card, method=method,
        K=K, fov=fov, hands=hands, weights=weights, mano=mano,
    )  # fmt: skip


def reconstruct(
    pictures: Pictures,
    /,
    *,
    out: Out = Path("out/reconstruct"),
    hand: Path | None = None,
    refine: bool = False,
    side: Side | None = None,
    K: Path | None = None,
    fov: float | None = None,
    hands: Path | None = None,
    weights: Path | None = None,
) -> None:
    """The hands in every picture in 3D: overlay, mesh and STEM.json, STEM_2.json ... of each (docs/formats.md).

    Args:
        pictures: Pictures of hands. Folders are searched.
        out: Folder for the results.
        hand: The person's hand, from `ownhand calibrate`. Without it the shape is guessed anew in every picture.
        refine: Fit the pose to the 2D keypoints as well: slower, and nearer to the picture.
        side: Take one hand of each picture, of this side. When not given, all hands that are found.
        K: The camera: 3 x 3 intrinsics [px] as .npy or text, a calibration of OpenCV or ROS, COLMAP's cameras.txt, or
            our .json (docs/formats.md), in which each picture may have its own. Lens distortion is undone.
        fov: Field of view along the longer side [degrees], when there is no K. Without either, the focal length that
            the camera wrote into the file (EXIF) counts, and where there is none, 60 degrees.
        hands: Where the hands are, or their joints, as another program found them: our JSON, COCO-WholeBody, MediaPipe,
            or a folder of OpenPose's (docs/formats.md). Joints are believed instead of our own.
        weights: Folder with trained weights; those shipped with the package when not given.
    """
    from ownhand.commands import reconstruct_pictures

    reconstruct_pictures(pictures, out, hand=hand, refine=refine, side=side, K=K, fov=fov, hands=hands, weights=weights)


def track(
    video: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Out = Path("out/track"),
    hand: Path | None = None,
    refine: bool = False,
    smooth: bool = True,
    K: Path | None = None,
    fov: float | None = None,
    weights: Path | None = None,
) -> None:
    """The hands in a video: hand_N/FRAME.json of every hand and frame, and a video that shows them.

    Started again, it goes on where it stopped. `ownhand export OUT/hand_1 -o motion.glb` makes a motion of one.

    Args:
        video: File that PyAV reads (.mp4, .mov, ...); needs the `video` extra.
        out: Folder for the results.
        hand: The person's hand, from `ownhand calibrate`. Without it the shape is guessed anew in every frame.
        refine: Fit every pose to the 2D keypoints as well.
        smooth: Smooth poses over time.
        K: The camera, as `ownhand reconstruct` takes it. Lens distortion is undone.
        fov: Field of view along the longer side [degrees], when there is no K; 60 when not given either.
        weights: Folder with trained weights; those shipped with the package when not given.
    """
    from ownhand.commands import track_video

    track_video(video, out, hand=hand, refine=refine, smooth=smooth, K=K, fov=fov, weights=weights)


def app(*, host: str = "127.0.0.1", port: int = 7860, weights: Path | None = None) -> None:
    """A web page for all this: pictures or the webcam in, your hand with its error bars out, and new pictures with it.

    Nothing leaves this machine. Pictures are deleted as soon as they are read, and forgotten when their page is closed.

    Args:
        host: Address to listen at; 0.0.0.0 lets other machines of the network use the page.
        port: Port to listen at.
        weights: Folder with trained weights; those shipped with the package when not given.
    """
    try:
        from ownhand.app.server import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ValueError("the web page needs Gradio: pip install 'ownhand[app]'") from None
    serve(host, port, weights)


def info(
    hand: Annotated[Path | None, tyro.conf.Positional] = None,
    /,
    *,
    picture: Path | None = None,
    mano: Path | None = None,
) -> None:
    """What a .hand file says; without one, what is installed.

    Args:
        hand: A file written by `ownhand calibrate`.
        picture: Where to draw the hand from above, life-sized, with its lengths and how sure they are (.svg).
        mano: Folder with MANO_RIGHT.pkl, if the hand to draw is one of MANO's.
    """
    from ownhand.about import describe_hand_file, describe_installation

    print(describe_installation() if hand is None else describe_hand_file(hand))
    if picture is not None:
        from ownhand.exports import draw_hand_file

        if hand is None:
            raise ValueError("expected a .hand file to draw a picture of, got none")
        draw_hand_file(hand, picture, mano=mano)
        print(f"{picture}: the hand from above")


def export(
    hand: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Out = Path("hand.glb"),
    side: Side = "right",
    fps: float | None = None,
    mano: Path | None = None,
) -> None:
    """A hand for other programs: rigged .glb or USD, .obj, .ply; motion as .glb, USD, .bvh, .npz; MANO .hand.

    Args:
        hand: A .hand file from `ownhand calibrate`; or a STEM.json from `ownhand reconstruct`, then posed; or its
            folder, whose pictures are the frames of a .glb, .usdz, .bvh or .npz, by name.
        out: Where it goes; the ending chooses the format (docs/formats.md).
        side: Which hand to make of a .hand file.
        fps: Frames per second of a motion. When not given, frames of a video have its times, others 30 per second.
        mano: Folder with MANO_RIGHT.pkl: turns a .hand file into one of MANO's betas, or one of MANO's back (.hand).
    """
    from ownhand.exports import export_hand

    export_hand(hand, out, side=side, fps=fps, mano=mano)


def onnx(
    out: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    weights: Path | None = None,
    mano: Path | None = None,
) -> None:
    """The networks as ONNX files for programs without Python, and networks.json, which explains them (docs/formats.md).

    The folder also serves as `--weights`: with ONNX Runtime the networks are then faster on a CPU.

    Args:
        out: Folder for the files; may be that of the weights.
        weights: Folder with trained weights; those shipped with the package when not given.
        mano: Folder with MANO_RIGHT.pkl, if the weights were trained with it.
    """
    from ownhand.commands import export_networks

    export_networks(out, weights=weights, mano=mano)


def synth(
    out: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    people: int = 100,
    pictures: int = 50,
    clip: int = 0,
    rig: int = 0,
    size: int = 128,
    seed: int = 0,
    spread: float = 1.0,
    anyone: bool = False,
    holding: float = 0.3,
    frames: bool = False,
    behind: Path | None = None,
    without: tuple[Group, ...] = (),
    workers: int = 2,
    ray: str | None = None,
) -> None:
    """Draw labelled pictures of synthetic people into tar shards; started again, it goes on where it stopped.

    What is there already is compared with its checksums, and drawn again if it is damaged.

    Args:
        out: Folder for the shards and their index.
        people: How many people.
        pictures: Single pictures of each.
        clip: Frames of a clip of each, 30 per second.
        rig: Cameras that take one instant of each at once, at most 8.
        size: Side of a picture [px].
        seed: Other seeds give other people: never train and test on the same.
        spread: By how much hands differ more in their proportions than people's do (at most 2), to train on.
        anyone: Draw children too, and unusual hands more often, instead of adults as a survey measured them.
        holding: Share of the pictures in which the hand holds something.
        frames: Draw whole pictures with no hand, one or several instead, from which a detector learns.
        behind: Folder of your own pictures, to be seen behind half of the hands.
        without: What to make plain instead of rich, to find out what it is good for.
        workers: Processes.
        ray: Address of a Ray cluster that draws instead ("auto", HOST:PORT). Its machines must share the folder.
    """
    from ownhand.synth.frames import FrameGenerator
    from ownhand.synth.generator import Generator
    from ownhand.synth.world import World
    from ownhand.synth.write import write

    if frames and (clip or rig):
        raise ValueError("expected frames, or clips and rigs of crops, got both")

    world = World(
        seed=seed, singles=pictures, clip=clip, rig=rig, spread=spread, anyone=anyone, holding=holding, without=without
    )
    kind = FrameGenerator if frames else Generator
    generator = kind(world, size=size, behind=None if behind is None else str(behind))
    print(write(out, generator, people=people, workers=workers, ray=ray))


def benchmark(
    out: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    parts: tuple[Literal["train", "val", "test"], ...] = ("val", "test"),
    size: int = 128,
    workers: int = 2,
    ray: str | None = None,
) -> None:
    """Generate OwnHand-ID, the benchmark of people with known hands, and compare it with its manifest.

    Started again, it goes on where it stopped.

    Args:
        out: Folder for one folder per part.
        parts: Which parts; training has 400 people, validation 20, test 40, with 208 pictures each.
        size: Side of a picture [px].
        workers: Processes.
        ray: As for `synth`.
    """
    from ownhand.lab import make_benchmark

    make_benchmark(out, parts, size=size, workers=workers, ray=ray)


def train(
    recipe: Annotated[Literal["tiny", "small", "paper", "systems", "detector"], tyro.conf.Positional],
    /,
    *,
    data: tuple[Path, ...],
    val: tuple[Path, ...],
    out: Out,
    start: Path | None = None,
    stages: tuple[str, ...] = (),
    length: float = 1.0,
    minutes: float | None = None,
    seed: int = 0,
    mano: Path | None = None,
    threads: int | None = None,
    workers: int | None = None,
) -> None:
    """Train the networks; started again, it goes on where it stopped, and ends as if it had never stopped.

    Args:
        recipe: tiny (a minute), small (128 px, two CPU cores), paper (ResNet-50 at 224 px), systems (those that the
            paper compares with, for `ownhand reproduce --systems`), detector (finds hands in whole pictures; learns
            from `ownhand synth --frames`).
        data: Folders of shards to train on, from `ownhand synth`; synth:people=2400,singles=20,seed=0 for pictures
            drawn meanwhile (docs/training.md); dexycb:ROOT,part=train,hands=right for real hands (docs/data.md).
        val: Folders of shards with other people: the best weights, thresholds and error bars are chosen on them.
        out: Folder for weights, logs and checkpoints; `--weights` of the other commands takes it.
        start: Folder with trained weights (`shipped`: those of the package) from which stages start that would start
            from nothing, or from a stage that is not in the output folder.
        stages: Names of those to train: (trunk_1 ...) keypoints baseline identity conditioned confidence.
        length: Factor on the length of every stage.
        minutes: Stop after so long.
        seed: Of weights, order and augmentation.
        mano: Folder with MANO_RIGHT.pkl, the hand model of real hands.
        threads: Of torch.
        workers: Processes that load pictures. When not given, 4 beside a GPU, 1 on a CPU; one per core if they draw.
    """
    from ownhand.lab import train_and_tune

    train_and_tune(
        recipe, data, val, out, start=start, stages=stages, length=length, minutes=minutes, seed=seed, mano=mano,
        threads=threads, workers=workers,
    )  # fmt: skip


def evaluate(
    *,
    data: tuple[Path, ...],
    out: Out = Path("out/results"),
    pictures: int = 20,
    weights: Path | None = None,
    mano: Path | None = None,
) -> None:
    """Every row of the results on people never seen in training, as records and as tables.

    Started again, it goes on where it stopped.

    Args:
        data: Folders of shards, from `ownhand synth` with a seed that was not trained on, or
            dexycb:ROOT,part=test,hands=right for real hands (docs/data.md).
        out: Folder for records, tables, figures, results.md and results.json.
        pictures: How many of each person's pictures are for calibration; the others are for testing.
        weights: Folder with trained weights; those shipped with the package when not given.
        mano: Folder with MANO_RIGHT.pkl, the hand model of real hands.
    """
    from ownhand.lab import evaluate_people

    evaluate_people(data, out, pictures=pictures, weights=weights, mano=mano)


def reproduce(
    dataset: Annotated[Literal["synth", "dexycb", "humbi"], tyro.conf.Positional],
    root: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Out = Path("out/reproduce"),
    protocol: Literal["paper", "honest", "both"] = "both",
    split: str | None = None,
    scale: Literal["tiny", "small", "paper"] = "small",
    weights: Path | None = None,
    systems: Path | None = None,
    pictures: int = 20,
    mano: Path | None = None,
    cache: Path | None = None,
) -> None:
    """The paper's experiments: train what is missing, calibrate, fit, measure, and write its tables beside its numbers.

    Started again, it goes on where it stopped.

    Args:
        dataset: synth is OwnHand-ID, generated where it is missing; dexycb and humbi lie where you have them.
        root: The data set's folder.
        out: Folder for weights, records, tables (Markdown, CSV, LaTeX), figures, results.md and results.json.
        protocol: paper takes calibration pictures from the test pictures and crops around labelled joints; honest
            keeps the pictures apart and finds the hands itself.
        split: Of a data set of real hands: by default people never seen in training. dexycb also has s0, s2, s3,
            without-0 to without-9, which test on one person, and each-person, which is these ten after each other.
        scale: Recipe to train with: small (two CPU cores, hours) or paper (a GPU); tiny shows that everything works.
        weights: Folder with trained weights, or `shipped`: nothing is trained then.
        systems: Folder with weights of the systems to compare with; OUT/systems when not given.
        pictures: How many pictures of each person are for calibration.
        mano: Folder with MANO_RIGHT.pkl, the hand model of real hands.
        cache: Folder for the index of real pictures; beside them when not given.
    """
    from ownhand.lab import reproduce_paper

    reproduce_paper(
        dataset, root, out, protocols=("honest", "paper") if protocol == "both" else (protocol,), split=split,
        scale=scale, weights=weights, systems=systems, pictures=pictures, mano=mano, cache=cache,
    )  # fmt: skip


def data(
    action: Annotated[Literal["check"], tyro.conf.Positional],
    root: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    dataset: Literal["dexycb", "humbi", "freihand", "ho3d", "interhand"] | None = None,
    mano: Path | None = None,
    out: Out = Path("out/samples.jpg"),
    cache: Path | None = None,
) -> None:
    """Look at a data set of real hands: what is there, what is missing, and whether its labels are understood.

    Args:
        action: check compares MANO's joints with the labels, and says if another reading of them fits better.
        root: The data set's folder, as published.
        dataset: Which it is; recognised when not given.
        mano: Folder with MANO_RIGHT.pkl and MANO_LEFT.pkl.
        out: Sheet of samples to look at.
        cache: Folder for the index; beside the data when not given.
    """
    from ownhand.lab import check_data

    check_data(root, out, dataset=dataset, mano=mano, cache=cache)


def main() -> None:
    """Entry point of the `ownhand` command: errors of use end in one sentence and exit code 2."""
    every = (
        demo,
        calibrate,
        reconstruct,
        track,
        app,
        info,
        export,
        onnx,
        synth,
        benchmark,
        data,
        train,
        evaluate,
        reproduce,
    )
    commands = {f.__name__: f for f in every}
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="ownhand",
            description="Whose hand is it? Personal 3D hand shape from RGB pictures, and hand meshes that use it.",
        )
    except (ValueError, OSError) as error:
        print(f"ownhand: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("ownhand: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
