"""Training: one loop for every network, read from top to bottom.

    OUT/STAGE.safetensors, OUT/STAGE.json    the result of a stage, as `estimators.build.load` reads it
    OUT/STAGE/log.jsonl                      one line per interval and per validation
    OUT/STAGE/best.*, checkpoint-*.*         the best weights so far, and the last two states

Called again with the same arguments, `run` goes on where it stopped, and ends with the very weights that it would have
had without stopping: every batch is a function of its number, and every step starts with a seed of its own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from ownhand import checkpoints
from ownhand.data.batches import Batches, hash_seed, in_order
from ownhand.data.dataset import ShardDataset, open_frames
from ownhand.data.frame import HandFrame
from ownhand.data.pictures import JoinedPictures, Pictures
from ownhand.data.sample import HandSample
from ownhand.estimators.base import Extended, Network
from ownhand.estimators.build import EXTENSIONS, build, describe, extended, load, save
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandModel
from ownhand.objective import Objective, validate
from ownhand.progress import TrainingLog
from ownhand.recipes import Recipe, Stage, recipe_by_name
from ownhand.runtime import leave_signals_to_the_parent, precision_here, repeatable, stop_requests
from ownhand.synth.drawn import PREFIX, DrawnPictures

PREPARED = 1000
"""Hands that a network sees in `Network.prepare`."""

Source = str | Path | Pictures
"""Where pictures come from: see `run`."""


def run(
    recipe: Recipe | str,
    *,
    data: Sequence[Source],
    out: str | Path,
    val: Sequence[Source] = (),
    start: str | Path | None = None,
    stages: Sequence[str] | None = None,
    hand: HandModel | None = None,
    seed: int = 0,
    length: float = 1.0,
    minutes: float | None = None,
    threads: int | None = None,
    workers: int | None = None,
    accelerator: str = "auto",
    save_every: int = 500,
    log_every: int = 50,
    made_by: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Train the stages of a recipe, one after another; those that are done already are left alone.

    Under `torchrun` the processes share every batch.

    Args:
        recipe: What to train, or its name.
        data: Pictures, folders of shards, or what is to be drawn meanwhile (see `DrawnPictures.from_words`).
        out: Where weights, logs and checkpoints go.
        val: The same with other people, on which the best weights are chosen; without, the last are kept.
        start: Folder with the weights of a pipeline. A stage starts from them where it would start from nothing, or
            from a stage that is not in `out`.
        stages: Names of those to train; all when None.
        hand: The hand model; the open hand when None.
        seed: Of weights, order and augmentation.
        length: Factor on the length of every stage.
        minutes: Stop after so long; called again, training goes on.
        threads: Of torch; its own choice when None.
        workers: Processes that load pictures; 0 loads them in this one. When None, as many as there are cores if
            pictures must be drawn, else 4 beside a GPU and 1 on a CPU.
        accelerator: As Fabric calls it: `cpu`, `cuda`, `auto`.
        save_every: Steps between checkpoints: what a kill loses at most.
        log_every: Steps between lines of the log.
        made_by: Command, commit, machine: whatever is to be kept with the weights of the stages that end in this call.

    Returns:
        Of each stage up to the one where training stopped: `finished`, `step`, `steps`, and `best`, the step and the
        validation `metrics` of the weights that are kept, or None.

    Raises:
        ValueError: Data, recipe or checkpoints cannot be used, or do not belong together.
        FloatingPointError: The loss is no longer a number.
    """
    recipe = (recipe_by_name(recipe) if isinstance(recipe, str) else recipe).scaled(length)
    if unknown := set(stages or ()) - {stage.name for stage in recipe.stages}:
        raise ValueError(f"recipe {recipe.name} has no stage {', '.join(sorted(unknown))}")
    if threads is not None:
        torch.set_num_threads(threads)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    fabric = Fabric(
        accelerator=accelerator,
        devices=processes,
        num_nodes=int(os.environ.get("WORLD_SIZE", 1)) // processes,
        strategy="ddp" if "LOCAL_WORLD_SIZE" in os.environ else "auto",
        precision=precision_here(recipe.precision, accelerator),  # pyright: ignore
    )
    fabric.launch()
    frames = any(stage.estimator["kind"] == "detector" for stage in recipe.stages)
    pictures = _open(data, str(fabric.device) if fabric.device.type == "cuda" else "cpu", frames)
    if workers is None:
        drawers = -(-(os.cpu_count() or 1) // processes)
        workers = drawers if not isinstance(pictures, ShardDataset) else 1 if fabric.device.type == "cpu" else 4
    task = _Task(
        fabric=fabric,
        hand=(open_hand() if hand is None else hand).to(fabric.device),
        data=pictures,
        val=_open(val, "cpu", frames) if val else None,
        out=Path(out),
        start=None if start is None else Path(start),
        seed=seed,
        workers=workers,
        save_every=save_every,
        log_every=log_every,
        made_by=dict(made_by or {}),
    )
    results = {}
    with stop_requests(fabric, minutes) as must_stop, repeatable(fabric):
        for stage in recipe.stages:
            if stages is None or stage.name in stages:
                results[stage.name] = _train(stage, task, must_stop)
                if not results[stage.name]["finished"]:
                    break
    return results


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What all stages share; see `run`."""

    fabric: Fabric
    hand: HandModel
    data: Pictures
    val: Pictures | None
    out: Path
    start: Path | None
    seed: int
    workers: int
    save_every: int
    log_every: int
    made_by: dict[str, Any]


def _open(sources: Sequence[Source], device: str, frames: bool) -> Pictures:
    """Pictures, folders of shards (of whole frames for a detector), and pictures to be drawn, as one data set."""
    opened = [source for source in sources if not isinstance(source, (str, Path))]
    words = [source for source in sources if isinstance(source, (str, Path))]
    folders = [source for source in words if not str(source).startswith(PREFIX)]
    if frames and (len(words) > len(folders) or opened):
        raise ValueError("expected folders of `ownhand synth --frames` to teach a detector")
    stored = [open_frames(*folders) if frames else ShardDataset(*folders)] if folders or not sources else []
    drawn = [DrawnPictures.from_words(str(source)).on(device) for source in words if source not in folders]
    parts: list[Pictures] = [*opened, *stored, *drawn]
    return JoinedPictures(*parts) if len(parts) > 1 else parts[0]


def _train(stage: Stage, task: _Task, must_stop: Callable[[], bool]) -> dict[str, Any]:
    fabric, folder, result = task.fabric, task.out / stage.name, task.out / f"{stage.name}.json"
    steps = stage.length(len(task.data))
    # What makes the result what it is: a checkpoint of anything else is refused.
    about = {
        "stage": json.loads(json.dumps(asdict(stage))),
        "seed": task.seed,
        "steps": steps,
        "data": task.data.fingerprint,
        "hand": task.hand.id,
    }
    if result.exists():
        return {"finished": True, "step": steps, "steps": steps, "best": describe(result)["extra"].get("best")}

    forerunners = _forerunners(stage, task)
    if task.start is not None:
        about["start"] = [describe(path)["sha256"] for path in forerunners]
    torch.manual_seed(hash_seed(task.seed))
    network = _network(stage, task, forerunners).to(fabric.device)
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore
    kept = deepcopy(network).requires_grad_(False).eval() if stage.ema else network
    model = fabric.setup_module(Objective(network, task.hand, stage.loss), move_to_device=False)
    optimizer: Any = fabric.setup_optimizers(_optimizer(stage, network))

    modules = {"network": network} | ({"kept": kept} if stage.ema else {})
    step, best = 0, None
    if (checkpoint := checkpoints.last(folder)) is not None:
        tensors, found = checkpoint
        if differing := [key for key in about if found.get(key) != about[key]]:
            raise ValueError(f"the checkpoints in {folder} are of another {', '.join(differing)}: train elsewhere")
        checkpoints.restore(tensors, modules, network, optimizer.optimizer)
        step, best = found["step"], found["best"]

    def keep_state() -> None:
        if fabric.is_global_zero:
            tensors = checkpoints.state_tensors(modules, network, optimizer.optimizer)
            checkpoints.save(folder, step, tensors, about | {"best": best})
        fabric.barrier()

    batches = Batches(
        task.data.only(stage.fields),
        batch=stage.batch,
        seed=task.seed,
        augmentation=stage.augmentation,
        together=stage.together,
        coarse=[(round(share * steps), size) for share, size in stage.coarse],
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    log = TrainingLog(
        folder / "log.jsonl",
        title=stage.name,
        start=step,
        steps=steps,
        pictures=stage.batch,
        every=task.log_every,
        silent=not fabric.is_global_zero,
    )
    with log, closing(_pictures(batches, range(step, steps), task)) as pictures:
        while step < steps and not must_stop():
            begin = time.perf_counter()
            sample = next(pictures).to(fabric.device)
            waited = time.perf_counter() - begin

            torch.manual_seed(hash_seed(task.seed, step, fabric.global_rank))
            rate = stage.rate(step, steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            _train_mode(network, stage)
            terms = model(lambda sample=sample: sample)
            if not terms["total"].isfinite():
                raise FloatingPointError(f"the loss of stage {stage.name} is {terms['total'].item()} at step {step}")
            fabric.backward(terms["total"])
            if stage.clip:
                fabric.clip_gradients(model, optimizer, max_norm=stage.clip)
            optimizer.step()
            optimizer.zero_grad()
            if stage.ema:
                _follow(kept, network, min(stage.ema, (1 + step) / (10 + step)))
            step += 1
            log.step(step, terms, rate, waited)

            if task.val is not None and (step % stage.validate_every == 0 or step == steps):
                samples = in_order(
                    task.val.only(stage.fields),
                    batch=stage.batch,
                    view=stage.augmentation.middle,
                    limit=stage.validation_pictures,
                )
                values = validate(kept, samples, task.hand, stage.loss, fabric)
                log.write(step, "validation", values)
                if best is None or values[stage.select] < best["metrics"][stage.select]:
                    best = {"step": step, "metrics": values}
                    if fabric.is_global_zero:
                        save(kept, folder / "best", training=True)
            if step < steps and step % task.save_every == 0:
                keep_state()
        if step < steps:
            keep_state()
            return {"finished": False, "step": step, "steps": steps, "best": best}

    if fabric.is_global_zero:
        chosen = kept if best is None else load(folder / "best", task.hand)
        extra = about | {"best": best, "made_by": task.made_by}
        save(chosen, task.out / stage.name, extra=extra, training=True)
    fabric.barrier()
    return {"finished": True, "step": steps, "steps": steps, "best": best}


def _forerunners(stage: Stage, task: _Task) -> list[Path]:
    """The weights from which a stage starts; what a later one has, an earlier one need not give."""
    if stage.estimator["kind"] in EXTENSIONS:
        return [task.out / stage.estimator["estimator"]]
    here = stage.init_from and task.out / stage.init_from
    if task.start is None or (here and here.with_suffix(".json").exists()):
        return [here] if here else []
    # What is shipped extends what it starts from: `side` holds keypoints, `confidence` a baseline.
    keypoints = task.start / ("side" if (task.start / "side.json").exists() else "keypoints")
    if stage.estimator["kind"] == "detector":
        there = (task.start / stage.name).with_suffix(".json").exists()
        return [task.start / stage.name if there else keypoints]
    both = [keypoints, task.start / "confidence"]
    return both[::-1] if stage.estimator["kind"] == "keypoints" else both


def _network(stage: Stage, task: _Task, forerunners: Sequence[Path]) -> Network:
    """The stage's network before its first step.

    Raises:
        ValueError: Weights on which it builds are not there, or do not fit.
    """
    config, sources = dict(stage.estimator), [load(path, task.hand) for path in forerunners]
    if config["kind"] in EXTENSIONS:
        return extended(sources[0], **{name: value for name, value in config.items() if name != "estimator"})
    network = build(config, task.hand)
    if type(network).prepare is not Network.prepare:
        count = min(len(task.data), PREPARED)
        known = task.data.only(()).load((torch.arange(count) * len(task.data) // count).tolist())
        network.prepare(known.joints, known.shape)
    for path, source in zip(forerunners, sources, strict=True):
        _start_from(network, source.estimator if isinstance(source, Extended) else source, path)
    return network


def _start_from(network: Network, source: Network, path: Path) -> None:
    """Copy all weights that fit. One network's own decoder is another's auxiliary one."""
    theirs, ours = source.state_dict(), network.state_dict()
    for name, tensor in ours.items():
        for alias in (name, f"auxiliary.{name}", name.removeprefix("auxiliary.")):
            if alias in theirs and theirs[alias].shape == tensor.shape:
                ours[name] = theirs[alias]
                break
        else:
            if name.startswith("backbone."):
                raise ValueError(f"the backbone of {path} does not fit: {name} should be {list(tensor.shape)}")
    network.load_state_dict(ours)


def _optimizer(stage: Stage, network: Network) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    if stage.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=stage.lr, fused=True)
    decayed, spared = ([p for p in parameters if (p.ndim > 1) == matrix] for matrix in (True, False))
    groups = [{"params": decayed}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=stage.lr, weight_decay=stage.weight_decay, fused=True)


def _train_mode(network: Network, stage: Stage) -> None:
    network.train()
    if stage.freeze_statistics:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


@torch.no_grad()
def _follow(kept: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the running mean of weights and statistics."""
    for mean, now in zip(kept.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)


def _pictures(batches: Batches, steps: range, task: _Task) -> Generator[HandSample | HandFrame, None, None]:
    """The batches of those steps, loaded ahead by other processes, which end when this generator is closed."""
    draws_on_gpu = task.fabric.device.type == "cuda" and not isinstance(task.data, ShardDataset)
    loader = DataLoader(
        batches,
        sampler=steps,  # pyright: ignore
        batch_size=None,
        num_workers=task.workers,
        prefetch_factor=4 if task.workers else None,
        worker_init_fn=leave_signals_to_the_parent,
        multiprocessing_context="spawn" if task.workers and draws_on_gpu else None,  # CUDA does not survive a fork
        pin_memory=task.fabric.device.type == "cuda",
    )
    iterator = iter(loader)
    try:
        yield from iterator
    except ValueError as error:  # a loading process puts its traceback into the message
        raise ValueError(str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from error
    finally:
        # They ignore the signal by which they would be ended when this process exits, which would wait for ever.
        getattr(iterator, "_shutdown_workers", lambda: None)()
        for worker in getattr(iterator, "_workers", ()):
            worker.kill()
