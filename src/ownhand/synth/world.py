"""Which people there are, and which pictures are taken of each."""

from __future__ import annotations

from dataclasses import dataclass

from ownhand.synth.people.population import Person, draw_person

VERSION = 4
"""Counts changes to what a (world, index) shows."""

GROUPS = ("people", "poses", "things", "light", "behind", "forearm")
"""What can be made plain, to find out what it is good for."""

LARGEST_SPREAD = 2.0  # further out the linear shape space leaves what a hand can be


@dataclass(frozen=True, kw_only=True)
class World:
    """People and the pictures that are taken of them. Picture i shows person i // per_person.

    Each person's pictures are `singles` single ones, `clip` frames of one camera that stands still, 30 per second, and
    one instant from `rig` calibrated cameras.

    Attributes:
        seed: Of everything. Different seeds have different people.
        singles: Single pictures of each person.
        clip: Frames of each person's clip.
        rig: Cameras of each person's instant, at most 8.
        spread: By how much hands differ more in their proportions than people's do. Beyond 1, shape is easier to learn.
        anyone: Children too, and unusual hands more often; otherwise adults as a survey measured them.
        holding: Share of the pictures in which the hand holds something.
        without: Which of GROUPS are plain instead of rich.
    """

    seed: int
    singles: int = 50
    clip: int = 0
    rig: int = 0
    spread: float = 1.0
    anyone: bool = False
    holding: float = 0.3
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.seed < 0 or min(self.singles, self.clip) < 0 or not 0 <= self.rig <= 8:
            raise ValueError(
                "expected a seed and numbers of pictures of at least 0, and at most 8 cameras, got "
                f"seed {self.seed}, {self.singles} singles, a clip of {self.clip} and {self.rig} cameras"
            )
        if not self.per_person:
            raise ValueError("expected at least 1 picture per person, got 0")
        if not 0 <= self.spread <= LARGEST_SPREAD or not 0 <= self.holding <= 1:
            raise ValueError(
                f"expected a spread of hand shapes from 0 to {LARGEST_SPREAD:g} and a share of held things from 0 to "
                f"1, got {self.spread} and {self.holding}"
            )
        if unknown := set(self.without) - set(GROUPS):
            raise ValueError(f"expected groups of {', '.join(GROUPS)} to leave out, got {', '.join(sorted(unknown))}")

    @property
    def per_person(self) -> int:
        """Pictures of each person."""
        return self.singles + self.clip + self.rig

    @property
    def instants(self) -> int:
        """Poses of each person besides those of the clip."""
        return self.singles + (self.rig > 0)

    def person(self, number: int) -> Person:
        """Somebody, with all that stays the same from picture to picture."""
        return draw_person(self.seed, number, self.spread, self.anyone)
