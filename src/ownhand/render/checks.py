"""Bad arrays are refused here, in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np


def checked(
    what: str, values: Any, shape: tuple[int | None, ...], dtype: Any = np.float32, *, below: int | None = None
) -> np.ndarray:
    """`values` (array or tensor) as a contiguous array of `dtype`.

    Args:
        what: Names the values in the error.
        shape: Expected shape; None stands for any length.
        dtype: Integer types also demand values of at least 0.
        below: Smallest integer that is too large.

    Raises:
        ValueError: The shape differs, a value is not finite, or an integer is out of range.
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values, dtype, order="C")
    if array.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, array.shape, strict=True)):
        expected = " ".join("n" if n is None else str(n) for n in shape)
        raise ValueError(f"expected {what} of shape [{expected}], got {list(array.shape)}")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError(f"expected {what} to be finite, but {np.sum(~np.isfinite(array))} values are not")
    elif array.size and (array.min() < 0 or (below is not None and array.max() >= below)):
        limit = "" if below is None else f" and below {below}"
        raise ValueError(f"expected {what} to be at least 0{limit}, got {array.min()} to {array.max()}")
    return array
