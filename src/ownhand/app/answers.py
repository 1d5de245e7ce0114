"""What the page answers when somebody does something: each method is one event, in Gradio's terms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from ownhand.app import report
from ownhand.app.given import Report
from ownhand.app.session import FoundHand, Session, Sessions
from ownhand.pipeline import Pipeline

SIDES = {"Left": "left", "Right": "right", "I don't know": None}
"""Answers to the question which hand it is."""

_PROGRESS = gr.Progress()


class Answers:
    """Values of the components that an event changes, in the order in which `build` names them.

    Args:
        pipeline: What finds and reconstructs hands.
        sessions: The visitors.
    """

    def __init__(self, pipeline: Pipeline, sessions: Sessions):
        self._pipeline, self._sessions = pipeline, sessions

    def add(self, paths: list[str], request: gr.Request, progress: gr.Progress = _PROGRESS) -> list[Any]:
        """Pictures or clips are given, or the webcam took one."""
        session = self._session(request)
        session.add([Path(path) for path in paths], _told(progress))
        return _given(session)

    def remove(self, request: gr.Request) -> list[Any]:
        """All pictures are taken back."""
        session = self._session(request)
        session.forget_pictures()
        return _given(session)

    def find(self, side: str, length: str, request: gr.Request, progress: gr.Progress = _PROGRESS) -> list[Any]:
        """The hand is to be found in the pictures; its length is in mm, or empty."""
        session, told = self._session(request), _told(progress)
        return _found(lambda: session.find_hand(self._pipeline, SIDES[side], _mm(length), told))

    def take(self, paths: list[str], side: str, request: gr.Request) -> list[Any]:
        """A `.hand` file is given; the first component is the one that it was given to."""
        session = self._session(request)
        return [None, *_found(lambda: session.take_hand(self._pipeline, Path(paths[0]), SIDES[side]))]

    def reconstruct(
        self, paths: list[str], side: str, request: gr.Request, progress: gr.Progress = _PROGRESS
    ) -> list[Any]:
        """Further pictures are given."""
        session = self._session(request)
        try:
            some = [Path(path) for path in paths]
            shown, refused, archive = session.reconstruct(self._pipeline, some, SIDES[side], _told(progress))
        except ValueError as error:
            return [None, report.alert(str(error)), gr.skip(), gr.skip()]
        download = gr.update(visible=archive is not None, value=None if archive is None else str(archive))
        return [None, "", report.further(shown, refused), download]

    def show(self, turn: bool, request: gr.Request) -> Any:
        """The hand in 3D is to turn by itself, or not."""
        found = self._session(request).found
        return gr.skip() if found is None else str(found.folder / ("turning.glb" if turn else "still.glb"))

    def leave(self, request: gr.Request) -> None:
        """The page is closed."""
        self._sessions.leave(str(request.session_hash))

    def _session(self, request: gr.Request) -> Session:
        return self._sessions.of(str(request.session_hash))


def _given(session: Session) -> list[Any]:
    some = bool(session.pictures or session.refused)
    return [None, None, report.given(session.pictures, session.refused), gr.update(visible=some), ""]


def _found(find: Callable[[], FoundHand]) -> list[Any]:
    """Status, what is shown from then on, and results; if it failed, only the first changes."""
    try:
        found = find()
    except ValueError as error:
        return [report.alert(str(error)), *[gr.skip()] * 9]
    return [
        "",
        gr.update(visible=True),
        gr.update(visible=True),
        report.headline(found),
        report.heat_scale(found),
        report.measurements(found),
        str(found.folder / "me.hand"),
        str(found.folder / "me.glb"),
        report.in_pictures(found),
        report.before_and_after(found),
    ]


def _mm(text: str) -> float | None:
    number = text.strip().removesuffix("mm").strip().replace(",", ".")
    try:
        return float(number) if number else None
    except ValueError:
        raise ValueError(f"Expected the length of the hand in mm, like 187, got {text.strip()!r}.") from None


def _told(progress: gr.Progress) -> Report:
    def told(done: int, total: int, what: str) -> None:
        progress((done, total), desc=what, unit="pictures")

    return told
