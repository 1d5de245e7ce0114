"""One visitor of the web page: pictures given, the hand found, files made. Knows nothing of how it is shown."""

from __future__ import annotations

import shutil
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.app.given import Given, Refused, Report, delete, squared, take
from ownhand.calibrate import Anchor
from ownhand.commands import camera_words, save_hand, write_reconstruction
from ownhand.geometry.crops import Crop
from ownhand.hand.export import write_glb
from ownhand.hand.hand_file import load_identity
from ownhand.hand.identity import Identity, measurements_mm, vertex_std_mm
from ownhand.hand.measure import finger_lengths_mm
from ownhand.hand.model import FROM_THE_BACK
from ownhand.inputs import all_right
from ownhand.page import BASE, OURS
from ownhand.pipeline import NoHandError, Pipeline
from ownhand.render.colour import heat
from ownhand.render.overlay import draw_mesh
from ownhand.results import Reconstruction
from ownhand.views import View

SHOWN = 320
"""Side of the close-ups [px]."""

AROUND = 1.7
"""Side of a close-up, over the larger side of the keypoints' box."""

TURN_S = 16.0
"""In which the shown hand turns once [s]."""

BIT = 8
"""Pictures that are reconstructed at once."""

LINGER_S = 600.0
"""A phone that shows its camera or is locked loses its page, and is soon back [s]."""

NO_HAND = "no {} hand was recognised: it should fill about half of the picture"


@dataclass(frozen=True, kw_only=True)
class InPicture:
    """A hand in a picture: the picture around it, with the shape guessed, and with the shape known."""

    name: str
    picture: Float[Tensor, "3 h w"]
    guessed: Float[Tensor, "3 h w"]
    known: Float[Tensor, "3 h w"]
    guessed_shape: Float[Tensor, "shapes"]


@dataclass(frozen=True, kw_only=True)
class FoundHand:
    """A visitor's hand.

    Attributes:
        identity: The hand.
        is_right: Which one is shown; the other is its mirror image.
        lengths: What it measures, as `measurements_mm`.
        std_mm: How uncertain each vertex is; None if nobody knows.
        folder: Where `me.hand` and `me.glb` are, and `still.glb` and `turning.glb`, whose colours say `std_mm`.
        used: Its pictures; none if it came from a file.
        disagreeing: Names of those that disagree with the others.
        strangers: Names of those that look like another person's hand.
        refused: Pictures that were of no use.
        fingers_mm: Finger lengths, guessed anew in each picture.
    """

    identity: Identity
    is_right: bool
    lengths: dict[str, tuple[float, float | None]]
    std_mm: Float[Tensor, "verts"] | None
    folder: Path
    used: tuple[InPicture, ...] = ()
    disagreeing: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    fingers_mm: Float[Tensor, "pictures 5"] | None = None


class Session:
    """What one visitor has given and got. Files that are given are read and deleted.

    Args:
        folder: Where it makes a folder of its own, which `close` removes.
    """

    def __init__(self, folder: Path):
        self._folder = Path(mkdtemp(prefix="visitor-", dir=folder))
        self.pictures: list[Given] = []
        self.refused: list[Refused] = []
        self.found: FoundHand | None = None
        self.used = time.monotonic()

    def close(self) -> None:
        """Forget everything."""
        self.forget_pictures()
        self.found = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def forget_pictures(self) -> None:
        """As before any was given."""
        self.pictures, self.refused = [], []

    def add(self, paths: Sequence[Path], report: Report) -> None:
        """Keep pictures, and frames of clips; what cannot be used is `refused`."""
        new, self.refused = take(paths, self.pictures, report)
        self.pictures = [*self.pictures, *new]

    def find_hand(self, pipeline: Pipeline, side: str | None, length_mm: float | None, report: Report) -> FoundHand:
        """Calibrate on the pictures.

        Args:
            pipeline: What finds it.
            side: `right`, `left` or None: all pictures together tell.
            length_mm: Measured length of the hand.
            report: Hears of progress.

        Raises:
            ValueError: There is no picture, no hand in any, or no hand is so long.
        """
        given = self.pictures
        if not given:
            raise ValueError("Add some pictures of your hand first.")
        anchor = None if length_mm is None else Anchor(length_mm=length_mm)
        is_right = _is_right(pipeline, given, side, report)

        def views() -> Iterator[View]:
            for number, one in enumerate(given):
                report(number, len(given), "Looking at the pictures")
                yield one.view(is_right=is_right)

        try:
            found = pipeline.calibrate(views(), anchor=anchor)
        except NoHandError:
            raise ValueError(f"In all pictures {NO_HAND.format(_side(is_right))}.") from None
        identity, evidence = found.identity, found.identity.evidence
        assert evidence is not None
        seen, refused, _ = in_pictures(pipeline, given, identity, is_right, report)
        used = [one for one in seen if one.name in evidence.names]
        reason = "others much like it are used instead"
        refused += [Refused(name=one.name, reason=reason, picture=one.picture) for one in seen if one not in used]
        folder, source = self._new_folder(), camera_words(one.camera_source for one in given)
        saved = save_hand(identity, pipeline.hand, folder / "me.hand", side=_side(is_right), camera=source)
        self.found = FoundHand(
            identity=identity,
            is_right=is_right,
            lengths=saved.lengths,
            std_mm=_write_glbs(pipeline, identity, folder, is_right),
            folder=folder,
            used=tuple(used),
            disagreeing=tuple(evidence.names[k] for k in found.outliers),
            strangers=saved.strangers,
            refused=tuple(refused),
            fingers_mm=finger_lengths_mm(pipeline.hand, torch.stack([one.guessed_shape for one in used])),
        )
        return self.found

    def take_hand(self, pipeline: Pipeline, path: Path, side: str | None) -> FoundHand:
        """Read a `.hand` file instead.

        Raises:
            ValueError: It is none.
        """
        folder, is_right = self._new_folder(), side != "left"
        try:
            identity = load_identity(path, pipeline.hand)
            shutil.copyfile(path, folder / "me.hand")
        except ValueError as error:
            raise ValueError(f"{str(error).replace(str(path), path.name)}.") from None
        finally:
            delete(path)
        self.found = FoundHand(
            identity=identity,
            is_right=is_right,
            lengths=measurements_mm(identity, pipeline.hand),
            std_mm=_write_glbs(pipeline, identity, folder, is_right),
            folder=folder,
        )
        return self.found

    def reconstruct(
        self, pipeline: Pipeline, paths: Sequence[Path], side: str | None, report: Report
    ) -> tuple[list[InPicture], list[Refused], Path | None]:
        """Further pictures, with the hand that was found.

        Returns:
            The hands, what could not be used, and a .zip with what `ownhand reconstruct` writes of each.

        Raises:
            ValueError: No hand was found so far.
        """
        given, refused = take(paths, (), report)
        if self.found is None:
            raise ValueError("Find your hand first, or open a .hand file.")
        if not given:
            return [], refused, None
        is_right = _is_right(pipeline, given, side, report)
        seen, missed, hands = in_pictures(pipeline, given, self.found.identity, is_right, report)
        archive = self._new_folder() / "reconstructed.zip" if hands else None
        if archive is not None:
            work = Path(mkdtemp(dir=archive.parent))
            for number, (view, hand) in enumerate(hands):
                report(number, len(hands), "Writing files")
                write_reconstruction(work, view, hand, pipeline, camera=view.camera_source)
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
                for file in sorted(work.iterdir()):
                    packed.write(file, file.name)
            shutil.rmtree(work)
        return seen, [*refused, *missed], archive

    def _new_folder(self) -> Path:
        """Browsers keep what has the same address."""
        if not self._folder.is_dir():
            raise ValueError("This visit has ended: load the page again.")
        return Path(mkdtemp(dir=self._folder))


def in_pictures(
    pipeline: Pipeline, given: Sequence[Given], identity: Identity, is_right: bool, report: Report
) -> tuple[list[InPicture], list[Refused], list[tuple[View, Reconstruction]]]:
    """The hand in each picture with a shape that is guessed anew, and with the known one; and where there is none.

    Returns:
        The hands to look at, the pictures without one, and the known hands with their pictures as they came.
    """
    seen, refused, hands = [], [], []
    for start in range(0, len(given), BIT):
        report(start, len(given), "Reconstructing")
        views = [one.view(is_right=is_right) for one in given[start : start + BIT]]
        both = (pipeline.reconstruct(views, who, refine=True) for who in (None, identity))
        for view, guessed, known in zip(views, *both, strict=True):
            original = view if is_right else view.mirrored()
            if guessed is None or known is None:
                reason = NO_HAND.format(_side(is_right))
                refused.append(Refused(name=view.name, reason=reason, picture=squared(original.image, SHOWN)))
                continue
            crop = _around(known)
            image = crop.image(original.image, padding="border")
            seen.append(
                InPicture(
                    name=view.name,
                    picture=image,
                    guessed=_drawn(image, crop, guessed, BASE),
                    known=_drawn(image, crop, known, OURS),
                    guessed_shape=guessed.shape,
                )
            )
            hands.append((original, known))
    return seen, refused, hands


def _around(found: Reconstruction) -> Crop:
    return Crop.around_keypoints(found.camera.project(found.hand.joints), SHOWN, AROUND)


def _drawn(image: Tensor, crop: Crop, found: Reconstruction, colour: tuple[float, float, float]) -> Tensor:
    return draw_mesh(image, found.hand.verts, found.model.faces, crop.camera(found.camera), colour=colour)


def _is_right(pipeline: Pipeline, given: Sequence[Given], side: str | None, report: Report) -> bool:
    if side is not None:
        return side == "right"
    report(0, len(given), "Left or right?")
    return all_right(pipeline, [one.view() for one in given[:BIT]])


def _side(is_right: bool) -> str:
    return "right" if is_right else "left"


def _write_glbs(pipeline: Pipeline, identity: Identity, folder: Path, is_right: bool) -> Tensor | None:
    """`me.glb` for other programs, the others to look at; gives each vertex's standard deviation [mm]."""
    hand = identity.hand(pipeline.hand)
    write_glb(folder / "me.glb", hand, is_right=is_right)
    std_mm = None if identity.covariance is None else vertex_std_mm(identity, pipeline.hand)
    colours = None if std_mm is None else torch.from_numpy(heat((std_mm / std_mm.max().clamp_min(1e-9)).numpy()))
    centre, R_cam_root = (hand.verts.amax(0) + hand.verts.amin(0)) / 2, torch.tensor(FROM_THE_BACK)
    upright = replace(
        hand, verts=(hand.verts - centre) @ R_cam_root.mT, joints_16=(hand.joints_16 - centre) @ R_cam_root.mT
    )
    for name, turn_s in (("still", None), ("turning", TURN_S)):
        write_glb(folder / f"{name}.glb", upright, colours=colours, is_right=is_right, turn_s=turn_s)
    return std_mm


class Sessions:
    """The visitors, by the long random names that their pages give themselves.

    Args:
        folder: For what they are given.
        linger_s: For how long what a visitor gave is kept when the page is gone.
        most: Visitors at once; of more, the one that did nothing for the longest time is forgotten.
    """

    def __init__(self, folder: Path, *, linger_s: float = LINGER_S, most: int = 40):
        self.folder = folder
        self._linger_s, self._most = linger_s, most
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def of(self, name: str) -> Session:
        """A visitor's session, a new one at the first time."""
        with self._lock:
            if name not in self._sessions:
                if len(self._sessions) >= self._most:
                    idle = min(self._sessions, key=lambda other: self._sessions[other].used)
                    self._sessions.pop(idle).close()
                self._sessions[name] = Session(self.folder)
            session = self._sessions[name]
            session.used = time.monotonic()
            return session

    def leave(self, name: str) -> None:
        """A visitor's page is gone: forget the session unless it is used again soon."""
        left = time.monotonic()
        timer = threading.Timer(self._linger_s, self._end, (name, left))
        timer.daemon = True
        timer.start()

    def _end(self, name: str, left: float) -> None:
        with self._lock:
            if name in self._sessions and self._sessions[name].used <= left:
                self._sessions.pop(name).close()
