"""Video files: frames in, upright and with their own times; overlays out. Needs PyAV (the `video` extra)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ownhand.data.photos import PhotoError, to_image

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


def is_video(path: Path) -> bool:
    """Whether a file's name ends as those of videos do."""
    return path.suffix.lower() in SUFFIXES


def frame_count(path: Path) -> int:
    """How many frames a video says that it has; 0 if it does not say."""
    with _opened(path) as (container, stream):
        if stream.frames:
            return stream.frames
        length = container.duration
        return round(length / 1e6 * float(stream.average_rate)) if length and stream.average_rate else 0


def frame_size(path: Path) -> tuple[int, int]:
    """Height and width of the frames as `read_frames` has them [px].

    Raises:
        PhotoError: It cannot be read, or has no frames.
    """
    for _, image in read_frames(path):
        return image.shape[1], image.shape[2]
    raise PhotoError(f"{path}: expected a video with frames, got one without")


def read_frames(path: Path) -> Iterator[tuple[float, Float[Tensor, "3 h w"]]]:
    """Time [s] and picture, RGB in [0, 1], of every frame of a video, turned as its rotation flag says.

    Times are those that the file gives each frame, so variable rates are kept; one that does not come after the one
    before it is left out.

    Raises:
        PhotoError: It cannot be read.
    """
    last = float("-inf")
    with _opened(path) as (container, stream):
        try:
            for number, frame in enumerate(container.decode(stream)):
                time = float(frame.time) if frame.time is not None else number / float(stream.average_rate or 30)
                if time <= last:
                    continue
                last = time
                image = upright(frame.to_ndarray(format="rgb24"), frame.rotation)
                yield time, torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
        except _av().FFmpegError as error:
            raise PhotoError(f"{path}: cannot be decoded after {max(last, 0):.2f} s ({error})") from None


def upright(image: UInt8[np.ndarray, "h w 3"], rotation: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A frame turned counter-clockwise by a multiple of 90 degrees, as display matrices count them."""
    return np.rot90(image, round(rotation / 90) % 4)


class VideoWriter:
    """Writes an H.264 video that browsers play, beside and then renamed.

    with VideoWriter(path) as video:
        video.add(picture, time)
    """

    def __init__(self, path: Path):
        self._path, self._beside = path, path.with_name(f".{path.stem}.part.mp4")
        self._container = _av().open(str(self._beside), "w")
        self._stream: Any = None

    def add(self, image: Float[Tensor, "3 h w"], time: float) -> None:
        """A frame [RGB in 0 to 1] and when it is shown [s]; odd sides lose their last row or column."""
        array = np.asarray(to_image(image))[: image.shape[1] // 2 * 2, : image.shape[2] // 2 * 2]
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=30, options={"crf": "20", "preset": "fast"})
            self._stream.height, self._stream.width, self._stream.pix_fmt = *array.shape[:2], "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, 90000)
        frame = _av().VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
        frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None and self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if error is None and self._stream is not None:
            self._beside.replace(self._path)
        self._beside.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    av = _av()
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise PhotoError(f"{path}: cannot be read as a video ({error})") from None
    with container:
        if not container.streams.video:
            raise PhotoError(f"{path}: expected a video, found no pictures in it")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise ValueError("video needs PyAV: pip install 'ownhand[video]'") from None
    return av
