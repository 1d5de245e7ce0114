"""Training: stopped and resumed it ends as if it had not been; several processes are as good as one."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from data.data_helpers import make_sample
from safetensors.torch import load_file
from toy import toy_hand

from ownhand import checkpoints, train
from ownhand.data.augment import Augmentation
from ownhand.data.shards import write_shard
from ownhand.estimators.build import load
from ownhand.hand.builtin import open_hand
from ownhand.progress import TrainingLog
from ownhand.recipes import RECIPES, Recipe, Stage, recipe_by_name
from ownhand.runtime import precision_here

KEYPOINTS = Stage(
    name="keypoints",
    estimator={"kind": "keypoints", "backbone": "resnet-tiny", "width": 8, "auxiliary": True},
    loss={"heatmaps": 1.0, "keypoints": 1.0, "parts": 0.1, "depth": 0.1},
    steps=7,
    batch=4,
    warmup=2,
    ema=0.9,
    clip=10.0,
    validate_every=3,
    select="keypoints_px",
    augmentation=Augmentation(size=32, angle_deg=90.0, noise=0.1, jpeg=0.5, patches=0.5),
    coarse=((0.4, 24),),
)
BASELINE = replace(
    KEYPOINTS,
    name="baseline",
    estimator={"kind": "regressor", "variant": "baseline", "backbone": "resnet-tiny", "widths": [16], "auxiliary": 8},
    loss={"verts": 1.0, "normals": 0.1, "edges": 1.0, "pose": 1.0, "shape": 1.0, "heatmaps": 0.1},
    init_from="keypoints",
    select="mpjpe_mm",
)
CONFIDENCE = replace(
    KEYPOINTS,
    name="confidence",
    estimator={"kind": "confidence", "estimator": "baseline", "target": "size_free"},
    loss={"rank_shape": 1.0, "rank_size_free": 1.0},
    batch=8,
    together=4,
    select="loss",
)


def recipe(*stages: Stage) -> Recipe:
    return Recipe(name="test", stages=stages)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict:
    root = tmp_path_factory.mktemp("pictures")
    for name, first in (("data", 0), ("val", 100)):
        write_shard(root / name, 0, [make_sample(first + i, (40, 40)) for i in range(18)])
    return {"data": [root / "data"], "val": [root / "val"]}


def run(what: Recipe, out: Path, folders: dict, **options):
    options = {"hand": toy_hand(), "threads": 1, "workers": 0, "save_every": 3, "log_every": 2} | options
    return train.run(what, out=out, accelerator="cpu", **folders, **options)


def lines(out: Path, kind: str) -> list[dict]:
    return [line for line in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if line["kind"] == kind]


def stop_at(monkeypatch, step: int, action) -> None:
    """Call `action` when that many steps are done."""
    original = TrainingLog.step

    def patched(self, done, *rest):
        original(self, done, *rest)
        if done == step:
            action()

    monkeypatch.setattr(TrainingLog, "step", patched)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path.with_suffix(".safetensors"))


def assert_equal(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def uninterrupted(folders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted")
    results = run(recipe(KEYPOINTS, BASELINE, CONFIDENCE), out, folders)
    assert [result["finished"] for result in results.values()] == [True] * 3
    return out


def test_killed_and_resumed_it_ends_bit_identical(uninterrupted, folders, tmp_path):
    """SIGKILL in step 5 of the baseline, two steps after its last checkpoint."""
    tests = Path(__file__).parent
    script = f"""
        import os, signal, sys
        sys.path[:0] = [{str(tests)!r}, {str(tests / "data")!r}]
        from pathlib import Path
        import pytest
        import test_train as t
        t.stop_at(pytest.MonkeyPatch(), 5, lambda: Path({str(tmp_path)!r}, "baseline").exists()
            and os.kill(os.getpid(), signal.SIGKILL))
        folders = {dict((k, list(map(str, v))) for k, v in folders.items())!r}
        t.run(t.recipe(t.KEYPOINTS, t.BASELINE, t.CONFIDENCE), Path({str(tmp_path)!r}), folders, workers=1)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    assert subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode == -signal.SIGKILL
    assert not (tmp_path / "baseline.json").exists()
    found = checkpoints.last(tmp_path / "baseline")
    assert found is not None
    assert found[1]["step"] == 3
    run(recipe(KEYPOINTS, BASELINE, CONFIDENCE), tmp_path, folders)
    for name in ("keypoints", "baseline", "confidence"):
        assert_equal(weights(tmp_path / name), weights(uninterrupted / name))
        for kind in ("train", "validation"):
            ours, theirs = (
                [{k: v for k, v in line.items() if k not in ("time", "pictures_per_second", "waiting")} for line in log]
                for log in (lines(tmp_path / name, kind), lines(uninterrupted / name, kind))
            )
            assert ours[-1] == theirs[-1]
            assert len({line["step"] for line in ours}) == len(ours)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_state_and_training_goes_on_from_that_very_step(
    number, uninterrupted, folders, tmp_path, monkeypatch
):
    def signal_all() -> None:
        """As `timeout` and service managers do."""
        for process in multiprocessing.active_children():
            os.kill(process.pid, number)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        stop_at(patch, 4, signal_all)
        results = run(recipe(KEYPOINTS, BASELINE), tmp_path, folders, workers=1)
    assert not multiprocessing.active_children()
    assert results["keypoints"] | {"best": None} == {"finished": False, "step": 4, "steps": 7, "best": None}
    assert "baseline" not in results
    assert signal.getsignal(number) is before
    assert run(recipe(KEYPOINTS), tmp_path, folders)["keypoints"]["finished"]
    assert_equal(weights(tmp_path / "keypoints"), weights(uninterrupted / "keypoints"))


def test_training_on_pictures_drawn_meanwhile_resumes_exactly_too(folders, tmp_path):
    """Beside stored ones, drawn by this process or by another."""
    data = {"data": [*folders["data"], "synth:people=3,singles=4,size=40,seed=5"]}
    stage = replace(KEYPOINTS, steps=6)
    run(recipe(stage), tmp_path / "at once", data, hand=open_hand())
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert run(recipe(stage), tmp_path / "stopped", data, hand=open_hand(), workers=1)["keypoints"]["step"] == 4
    run(recipe(stage), tmp_path / "stopped", data, hand=open_hand())
    assert_equal(*(weights(tmp_path / name / "keypoints") for name in ("at once", "stopped")))
    other = {"data": [*folders["data"], "synth:people=3,singles=4,size=40,seed=6"]}
    run(recipe(stage), tmp_path / "other", data, hand=open_hand(), minutes=0.0)
    with pytest.raises(ValueError, match="of another data"):
        run(recipe(stage), tmp_path / "other", other, hand=open_hand())


def test_time_being_up_stops_training_and_a_finished_stage_is_left_alone(uninterrupted, folders, tmp_path):
    result = run(recipe(KEYPOINTS), tmp_path, folders, minutes=0.0)["keypoints"]
    assert (result["finished"], result["step"]) == (False, 0)
    before = (uninterrupted / "keypoints.safetensors").stat().st_mtime_ns
    assert run(recipe(KEYPOINTS), uninterrupted, folders)["keypoints"]["finished"]
    assert (uninterrupted / "keypoints.safetensors").stat().st_mtime_ns == before


def test_two_checkpoints_are_kept(uninterrupted):
    names = sorted(path.name for path in (uninterrupted / "keypoints").glob("checkpoint-*"))
    expected = [f"checkpoint-0000000{step}.{ending}" for step in (3, 6) for ending in ("json", "safetensors")]
    assert names == expected


def test_the_best_weights_on_validation_are_kept(uninterrupted):
    about = json.loads((uninterrupted / "keypoints.json").read_text())["extra"]
    errors = {line["step"]: line["keypoints_px"] for line in lines(uninterrupted / "keypoints", "validation")}
    assert sorted(errors) == [3, 6, 7]
    assert about["best"]["step"] == min(errors, key=errors.get)
    assert_equal(weights(uninterrupted / "keypoints" / "best"), weights(uninterrupted / "keypoints"))


def test_the_confidence_stage_changes_nothing_of_the_baseline(uninterrupted):
    scored = weights(uninterrupted / "confidence")
    baseline = {k: v for k, v in weights(uninterrupted / "baseline").items() if not k.startswith("auxiliary.")}
    inner = {k.removeprefix("estimator."): v for k, v in scored.items() if k.startswith("estimator.")}
    assert_equal(inner, baseline)
    assert scored["score.weight"].abs().sum() > 0
    assert load(uninterrupted / "confidence", toy_hand()).config.target == "size_free"


STILL = {"lr": 0.0, "freeze_statistics": True}
FROM_BASELINE = {
    "keypoints, whose decoder the baseline has for training": replace(
        KEYPOINTS, name="again", init_from="baseline", **STILL
    ),
    "identity": replace(
        BASELINE,
        name="again",
        init_from="baseline",
        estimator=BASELINE.estimator | {"variant": "identity"},
        loss={"verts": 1.0},
        **STILL,
    ),
}


@pytest.mark.parametrize("stage", FROM_BASELINE.values(), ids=FROM_BASELINE)
def test_a_stage_starts_from_all_weights_of_another_that_fit(stage, uninterrupted, folders, tmp_path):
    for ending in (".json", ".safetensors"):
        (tmp_path / f"baseline{ending}").write_bytes((uninterrupted / f"baseline{ending}").read_bytes())
    run(recipe(stage), tmp_path, folders)
    ours, theirs = weights(tmp_path / "again"), weights(tmp_path / "baseline")
    theirs = {name.removeprefix("auxiliary.") if name not in ours else name: x for name, x in theirs.items()}
    kinds = {name.split(".")[0] for name in ours}
    same = {kind for kind in kinds if all(name in theirs for name in ours if name.startswith(kind))}
    assert same >= ({"backbone", "decoder"} if stage.estimator["kind"] == "keypoints" else kinds)
    for name in ours:
        if name.split(".")[0] in same:
            assert torch.allclose(ours[name], theirs[name], atol=1e-6), name


def test_a_stage_whose_backbone_differs_is_refused(uninterrupted, folders, tmp_path):
    for ending in (".json", ".safetensors"):
        (tmp_path / f"keypoints{ending}").write_bytes((uninterrupted / f"keypoints{ending}").read_bytes())
    wider = replace(BASELINE, estimator=BASELINE.estimator | {"backbone": "resnet-18-half"})
    with pytest.raises(ValueError, match=r"the backbone of .*keypoints does not fit: backbone\."):
        run(recipe(wider), tmp_path, folders)


@pytest.mark.parametrize("stage", FROM_BASELINE.values(), ids=FROM_BASELINE)
def test_a_stage_whose_forerunner_is_missing_starts_from_a_trained_pipeline(stage, uninterrupted, folders, tmp_path):
    run(recipe(stage), tmp_path, folders, start=uninterrupted)
    ours, pipeline = weights(tmp_path / "again"), {}
    for name in ("confidence", "keypoints") if stage.estimator["kind"] == "keypoints" else ("keypoints", "confidence"):
        pipeline |= {key.removeprefix("estimator."): x for key, x in weights(uninterrupted / name).items()}
    for name in ours:
        if name.startswith(("backbone", "pose_head", "decoder")):
            assert torch.allclose(ours[name], pipeline[name], atol=1e-6), name
    assert len(json.loads((tmp_path / "again.json").read_text())["extra"]["start"]) == 2


def test_a_stage_that_is_there_goes_before_the_weights_to_start_from(uninterrupted, folders, tmp_path):
    run(recipe(replace(KEYPOINTS, **STILL)), tmp_path, folders)
    stage = replace(FROM_BASELINE["identity"], init_from="keypoints")
    run(recipe(stage), tmp_path, folders, start=uninterrupted)
    first = weights(tmp_path / "keypoints")
    assert_equal(
        {k: v for k, v in weights(tmp_path / "again").items() if k.startswith("backbone") and v.ndim > 1},
        {k: v for k, v in first.items() if k.startswith("backbone") and v.ndim > 1},
    )


def test_training_learns(folders, tmp_path):
    learner = replace(KEYPOINTS, steps=60, warmup=0, lr=3e-3, ema=0.0, coarse=(), augmentation=Augmentation(size=32))
    run(recipe(learner), tmp_path, {"data": folders["data"]}, log_every=10)
    losses = [line["total"] for line in lines(tmp_path / "keypoints", "train")]
    assert losses[-1] < 0.8 * losses[0]


def test_what_does_not_belong_together_is_refused(uninterrupted, folders, tmp_path):
    with pytest.raises(ValueError, match="no stage nose"):
        run(recipe(KEYPOINTS), tmp_path, folders, stages=["nose"])
    with pytest.raises(ValueError, match=r"keypoints\.json"):
        run(recipe(BASELINE), tmp_path, folders)
    run(recipe(KEYPOINTS), tmp_path, folders, minutes=0.0)
    with pytest.raises(ValueError, match="of another stage: train elsewhere"):
        run(recipe(replace(KEYPOINTS, lr=1.0)), tmp_path, folders)
    with pytest.raises(ValueError, match="of another seed: train elsewhere"):
        run(recipe(KEYPOINTS), tmp_path, folders, seed=1)
    with pytest.raises(ValueError, match="of another data: train elsewhere"):
        run(recipe(KEYPOINTS), tmp_path, folders | {"data": folders["val"]})


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_in_one_sentence(workers, folders, tmp_path):
    write_shard(tmp_path / "data", 0, [make_sample(i, (40, 40)) for i in range(4)])
    path = tmp_path / "data" / "shard-000000.tar"
    path.write_bytes(path.read_bytes().replace(b"\xff\xd8\xff", b"\xff\xd8\xfe"))
    with pytest.raises(ValueError, match=r"^shard \S+shard-000000.tar is damaged: image of its picture at byte \d+$"):
        run(recipe(KEYPOINTS), tmp_path / "out", {"data": [tmp_path / "data"]}, workers=workers)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loss_that_is_no_number_stops_training_and_all_that_loads_for_it(workers, folders, tmp_path):
    with pytest.raises(FloatingPointError, match="stage keypoints is nan"):
        run(recipe(replace(KEYPOINTS, loss={"heatmaps": float("nan")})), tmp_path, folders, workers=workers)
    assert not multiprocessing.active_children()


def test_two_processes_take_the_step_of_one(folders, tmp_path, monkeypatch):
    """With plain gradient descent the difference of weights after a step is the difference of gradients."""
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        pytest.skip("this PyTorch has no gloo, by which processes on CPUs talk")
    plain = replace(KEYPOINTS, steps=1, lr=1.0, warmup=0, ema=0.0, clip=0.0, freeze_statistics=True)
    descent = lambda stage, network: torch.optim.SGD(network.parameters(), lr=1.0)  # noqa: E731
    monkeypatch.setattr(train, "_optimizer", descent)
    run(recipe(plain), tmp_path / "one", {"data": folders["data"]})
    start = run_start(plain, tmp_path / "start", folders)
    tests = Path(__file__).parent
    script = tmp_path / "step.py"
    script.write_text(
        textwrap.dedent(f"""
            import sys
            sys.path[:0] = [{str(tests)!r}, {str(tests / "data")!r}]
            from dataclasses import replace
            from pathlib import Path
            import torch
            import test_train as t
            plain = replace(
                t.KEYPOINTS, steps=1, lr=1.0, warmup=0, ema=0.0, clip=0.0, freeze_statistics=True)
            t.train._optimizer = lambda stage, network: torch.optim.SGD(network.parameters(), lr=1.0)
            t.run(t.recipe(plain), Path({str(tmp_path / "two")!r}), {{"data": [{str(folders["data"][0])!r}]}})
        """)
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, start_new_session=True) as both:
        try:
            assert both.wait(timeout=240) == 0
        finally:
            with suppress(ProcessLookupError):  # what is left of them
                os.killpg(both.pid, signal.SIGKILL)
    one, two = weights(tmp_path / "one" / "keypoints"), weights(tmp_path / "two" / "keypoints")
    moved = max((one[name] - start[name]).abs().max().item() for name in one if one[name].is_floating_point())
    assert moved > 1e-2
    assert all((one[name] - two[name]).abs().max() < 1e-5 for name in one)


def run_start(stage: Stage, out: Path, folders: dict) -> dict[str, torch.Tensor]:
    """The weights before the first step."""
    run(recipe(replace(stage, lr=0.0)), out, {"data": folders["data"]})
    return weights(out / "keypoints")


def test_rates_rise_and_fall_as_told():
    cosine = replace(KEYPOINTS, lr=1.0, warmup=9)
    rates = [cosine.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-3
    paper = recipe_by_name("paper").stages[1]
    steps = paper.length(3200)
    assert steps == 1500
    tenths = [paper.rate(step, steps) for step in (0, 499, 500, 999, 1000, 1499)]
    assert tenths == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6])


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_data_and_their_stages_build_on_earlier_ones(name):
    from dataclasses import asdict

    whole = recipe_by_name(name)
    json.dumps(asdict(whole))
    names = [stage.name for stage in whole.stages]
    for place, stage in enumerate(whole.stages):
        assert stage.init_from is None or stage.init_from in names[:place]
        assert stage.estimator["kind"] != "confidence" or stage.estimator["estimator"] in names[:place]
        assert stage.length(1000) > 0
    with pytest.raises(ValueError, match="expected a recipe of tiny, small, paper"):
        recipe_by_name("large")
    assert recipe_by_name("small").scaled(0.5).stages[0].steps == recipe_by_name("small").stages[0].steps / 2


@pytest.mark.parametrize(
    ("asked", "accelerator", "supported", "given"),
    [
        ("bf16-mixed", "cpu", True, "bf16-mixed"),
        ("bf16-mixed", "cpu", False, "32-true"),
        ("bf16-mixed", "cuda", False, "bf16-mixed"),
        ("32-true", "cpu", False, "32-true"),
    ],
)
def test_bfloat16_is_left_to_processors_that_multiply_in_it(monkeypatch, asked, accelerator, supported, given):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert precision_here(asked, accelerator) == given
