"""What is trained, in which order, on what and for how long: training as data.

A recipe is a list of stages; `train.py` runs them one after another. Everything here can be written as JSON, which is
what is kept beside the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ownhand import losses
from ownhand.data.augment import Augmentation
from ownhand.detection import DETECTION


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The training of one network.

    Attributes:
        name: Names its folder and its weights.
        estimator: A configuration for `estimators.build`. For kinds `confidence` and `side` its entry `estimator` is
            the name of the stage whose trained, then frozen, network is extended.
        loss: Weight of each loss term, by the names of `losses.training_loss`.
        steps: Length in batches; give this or `epochs`.
        epochs: Length in passes over the data.
        batch: Pictures per step, over all processes.
        together: Pictures of one person that follow each other, for losses that compare them.
        init_from: The stage from which all weights that fit are taken, at least the backbone's.
        optimizer: `adam`, or `adamw`, which spares vectors (biases, normalisation) the decay.
        lr: Learning rate.
        weight_decay: Of `adamw`.
        schedule: How the learning rate goes: `cosine` to zero, or times 0.1 at each of `milestones`.
        milestones: Shares of the length.
        warmup: Steps in which the rate rises to `lr`.
        clip: Largest norm of the gradient; 0 for any.
        ema: Decay per step of the running mean of the weights that is validated and kept; 0 keeps the last weights.
        freeze_statistics: Keep the normalisation statistics as they are.
        augmentation: How the pictures are changed, and the size at which the network sees them.
        coarse: Pairs of a share of the length and a size [px]: until then the network sees pictures of that size, which
            is faster (Howard 2018, progressive resizing).
        validate_every: Steps between validations.
        validation_pictures: How many pictures to validate on, evenly taken; 0 for all.
        select: The metric of which the smallest value decides which weights are kept.
    """

    name: str
    estimator: dict[str, Any]
    loss: dict[str, float]
    steps: int | None = None
    epochs: float | None = None
    batch: int = 64
    together: int = 1
    init_from: str | None = None
    optimizer: Literal["adam", "adamw"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.02
    schedule: Literal["cosine", "steps"] = "cosine"
    milestones: tuple[float, ...] = ()
    warmup: int = 0
    clip: float = 0.0
    ema: float = 0.0
    freeze_statistics: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    coarse: tuple[tuple[float, int], ...] = ()
    validate_every: int = 1000
    validation_pictures: int = 0
    select: str = "loss"

    def length(self, pictures: int) -> int:
        """Steps on a data set of so many pictures.

        Raises:
            ValueError: Not exactly one of steps and epochs is given.
        """
        if self.steps is not None and self.epochs is None:
            return self.steps
        if self.epochs is not None and self.steps is None:
            return math.ceil(self.epochs * pictures / self.batch)
        raise ValueError(f"stage {self.name} needs either steps or epochs, got {self.steps} and {self.epochs}")

    @property
    def fields(self) -> list[str]:
        """What must be read besides the pictures, for the losses."""
        return [field for field, loss in (("labels", "parts"), ("depth", "depth")) if loss in self.loss]

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step."""
        share = step / steps
        if self.schedule == "cosine":
            factor = (1 + math.cos(math.pi * share)) / 2
        else:
            factor = 0.1 ** sum(share >= milestone for milestone in self.milestones)
        return self.lr * factor * min(1, (step + 1) / (self.warmup + 1))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stages in the order of their training.

    Attributes:
        name: What it is called.
        stages: Each can use the results of those before.
        precision: As Fabric calls it: `32-true`, `bf16-mixed`; the latter is float32 on CPUs that cannot do it.
    """

    name: str
    stages: tuple[Stage, ...]
    precision: str = "32-true"

    def scaled(self, factor: float) -> Recipe:
        """The same, with every stage so many times as long."""

        def scale(stage: Stage) -> Stage:
            steps = stage.steps and max(1, round(stage.steps * factor))
            epochs = stage.epochs and stage.epochs * factor
            return replace(stage, steps=steps, epochs=epochs, warmup=round(stage.warmup * factor))

        return replace(self, stages=tuple(scale(stage) for stage in self.stages))


def _stages(
    *,
    backbone: str,
    auxiliary: int,
    common: dict,
    trunk: Sequence[dict] = (),
    keypoints: dict,
    regressor: dict,
    confidence: dict,
    side: dict,
    **network: Any,
) -> tuple[Stage, ...]:
    """The default pipeline; the dictionaries are fields of its stages.

    With a trunk (some stages, each starting from the one before), a baseline network is trained first, from which all
    others, the final baseline too, start: what they all must learn is learnt once, and the variants differ in nothing
    but what is compared.
    """
    dense = losses.DENSE if auxiliary else {}
    start: dict[str, Any] = {}
    stages = []

    def add_regressor(name: str, variant: str, fields: dict) -> None:
        paper = {name: weight for name, weight in losses.PAPER.items() if variant == "baseline" or name != "shape"}
        estimator = {"kind": "regressor", "variant": variant, "backbone": backbone, "auxiliary": auxiliary} | network
        fields = common | {"loss": paper | dense} | fields
        stages.append(Stage(name=name, estimator=estimator, select="mpjpe_mm", **fields))

    for number, fields in enumerate(trunk, start=1):
        add_regressor(f"trunk_{number}", "baseline", start | fields)
        start = {"init_from": f"trunk_{number}"}
    stages.append(
        Stage(
            name="keypoints",
            estimator={"kind": "keypoints", "backbone": backbone, "auxiliary": bool(auxiliary)} | network,
            loss=losses.KEYPOINTS | {name: weight for name, weight in dense.items() if name != "heatmaps"},
            select="keypoints_px",
            **common | start | keypoints,
        )
    )
    estimator = {"kind": "side", "estimator": "keypoints"}
    stages.append(Stage(name="side", estimator=estimator, loss=losses.SIDE, **common | side))
    for variant in ("baseline", "identity", "conditioned"):
        add_regressor(variant, variant, start | regressor)
    estimator = {"kind": "confidence", "estimator": "baseline", "target": "size_free"}
    stages.append(Stage(name="confidence", estimator=estimator, loss=losses.CONFIDENCE, **common | confidence))
    return tuple(stages)


_COLOURS: dict[str, Any] = {"brightness": 32 / 255, "contrast": (0.5, 1.5), "saturation": (0.5, 1.5), "hue_deg": 18.0}
"""The paper's augmentation."""

_WEAR: dict[str, Any] = {"balance": 0.1, "grey": 0.05, "blur": 0.2, "jpeg": 0.15, "noise": 0.04, "patches": 0.3}

TINY = Recipe(
    name="tiny",
    stages=_stages(
        backbone="resnet-tiny",
        auxiliary=16,
        common={
            "batch": 8,
            "warmup": 2,
            "ema": 0.9,
            "validate_every": 8,
            "augmentation": Augmentation(size=64, angle_deg=30.0, scale=(0.9, 1.1), shift=0.05, **_COLOURS, **_WEAR),
        },
        trunk=[{"steps": 12}],
        keypoints={"steps": 12},
        regressor={"steps": 8},
        confidence={"steps": 8, "together": 4},
        side={"steps": 8},
    ),
)
"""A minute: shows that everything works, and teaches next to nothing."""

_ANY: dict[str, Any] = {"angle_deg": 180.0, **_COLOURS, **_WEAR}

_START: dict[str, Any] = _ANY | {"upright": 0.7, "tilt_deg": 20.0}
"""Mostly upright from the beginning: which way is up, the first keypoints find in use."""

_UPRIGHT: dict[str, Any] = _ANY | {"upright": 0.85, "tilt_deg": 20.0}
"""The palm points up, within what first keypoints get wrong; now and then it does not, when they are quite wrong."""

_BOTH: dict[str, Any] = _UPRIGHT | {"upright": 0.5}
"""For the network that finds the first keypoints too."""

_STANDING: dict[str, Any] = _ANY | {"upright": 1.0, "tilt_deg": 30.0}
"""The palm points up: left and right can hardly be told before it does."""

_TIGHT = (1.15, 1.6)
"""Crops nearly fill with the hand: at 128 px the paper's, of twice the box, would leave it 64."""

_TRUNK: dict[str, Any] = {
    "schedule": "steps",
    "loss": {"verts": 1.0, "pose": 1.0, "shape": 1.0} | losses.DENSE | {"heatmaps": 0.3},
    "validate_every": 1000,
}

SMALL = Recipe(
    name="small",
    precision="bf16-mixed",
    stages=_stages(
        backbone="resnet-18-narrow",
        auxiliary=64,
        common={
            "batch": 64,
            "lr": 1.5e-3,
            "warmup": 200,
            "clip": 5.0,
            "ema": 0.999,
            "validate_every": 500,
            "validation_pictures": 1000,
            "augmentation": Augmentation(size=128, box=_TIGHT, shift=0.05, **_UPRIGHT),
        },
        trunk=[
            _TRUNK | {"steps": 8_000, "augmentation": Augmentation(size=64, box=_TIGHT, shift=0.05, **_START)},
            _TRUNK | {"steps": 9_000, "augmentation": Augmentation(size=96, box=_TIGHT, shift=0.05, **_START)},
            _TRUNK | {"steps": 9_000, "augmentation": Augmentation(size=96, box=_TIGHT, shift=0.05, **_UPRIGHT)},
        ],
        keypoints={
            "steps": 1_700,
            "augmentation": Augmentation(size=128, box=(1.15, 2.8), shift=0.08, **_BOTH),
        },
        regressor={"steps": 1_700},
        confidence={"steps": 600, "batch": 128, "together": 8, "lr": 3e-3},
        side={"steps": 1_200, "augmentation": Augmentation(size=128, box=(1.15, 2.0), shift=0.08, **_STANDING)},
    ),
)
"""At 128 px on two CPU cores; its weights are shipped."""

PAPER = Recipe(
    name="paper",
    stages=_stages(
        backbone="resnet-50",
        pretrained=True,
        auxiliary=0,
        common={
            "batch": 32,
            "optimizer": "adam",
            "lr": 1e-4,
            "schedule": "steps",
            "milestones": (1 / 3, 2 / 3),
            "epochs": 15.0,
            "augmentation": Augmentation(size=224, **_COLOURS),
        },
        keypoints={},
        regressor={},
        confidence={"batch": 128},
        side={},
    ),
)
"""The schedule of Kong et al. (2022), for a GPU."""

_ALIKE: dict[str, Any] = {
    "steps": 5_000,
    "warmup": 200,
    "clip": 5.0,
    "ema": 0.999,
    "validation_pictures": 1000,
    "select": "mpjpe_mm",
    "augmentation": Augmentation(size=96, box=_TIGHT, shift=0.05, **_UPRIGHT),
}


def _system(name: str, loss: dict[str, float], lr: float, **estimator: Any) -> Stage:
    return Stage(name=name, estimator={"backbone": "resnet-18-narrow"} | estimator, loss=loss, lr=lr, **_ALIKE)


_NARROW_CMR_PG: dict[str, Any] = {"kind": "cmr_pg", "widths": (256, 128, 64, 32), "feature": 500}
_NARROW_METRO: dict[str, Any] = {"kind": "metro", "hidden": (256, 128, 64), "between": (128, 64), "dropout": 0.0}

SYSTEMS = Recipe(
    name="systems",
    precision="bf16-mixed",
    stages=(
        _system("boukhayma_et_al_retrained", losses.BOUKHAYMA, 1e-3, kind="boukhayma"),
        _system("spurr_et_al_resnet_50", losses.SPURR, 1e-3, kind="spurr", width=64),
        _system("cmr_pg", losses.CMR_PG, 1e-3, **_NARROW_CMR_PG),
        _system("metro", losses.METRO, 3e-4, **_NARROW_METRO),
        _system("cmr_pg_the_calibrated_hand", losses.CMR_PG, 1e-3, **_NARROW_CMR_PG, identity=True),
        _system("metro_the_calibrated_hand", losses.METRO, 3e-4, **_NARROW_METRO, identity=True),
    ),
)
"""The systems that the paper compares with, and two of them with the person's rest hand: each one's head on the
backbone of `small`, taught by as many pictures. The heads of CMR-PG and METRO are as much narrower than their authors'
as the backbone is: whole ones would take ten times as long as the backbone. METRO's dropout costs a quarter of its
time and is for pictures that are seen more often."""

DETECTOR = Recipe(
    name="detector",
    precision="bf16-mixed",
    stages=(
        Stage(
            name="detector",
            estimator={"kind": "detector"},
            loss=DETECTION,
            steps=3_000,
            batch=32,
            lr=1e-3,
            warmup=200,
            clip=5.0,
            ema=0.998,
            coarse=((0.8, 192),),
            validate_every=500,
            augmentation=Augmentation(size=256, angle_deg=30.0, scale=(0.6, 1.6), mirror=0.5, **_COLOURS, **_WEAR),
        ),
    ),
)
"""What finds hands in whole pictures, for the locator of the pipeline: learns from `ownhand synth --frames`."""

RECIPES = {recipe.name: recipe for recipe in (TINY, SMALL, PAPER, SYSTEMS, DETECTOR)}


def recipe_by_name(name: str) -> Recipe:
    """Raises ValueError if there is none."""
    if name not in RECIPES:
        raise ValueError(f"expected a recipe of {', '.join(RECIPES)}, got {name!r}")
    return RECIPES[name]
