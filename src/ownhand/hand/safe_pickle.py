"""Pickled arrays, read without running anything: nothing in the file is imported, called or constructed.

The globals that array files need are replaced by recorders, which keep what the file says about an object. When the
whole file has been read, the records are decoded as plain data. Every other global is refused by name.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


class RefusedFile(ValueError):
    """A file that is unsafe, damaged, or not what was expected."""


class _Recorder:
    """Keeps constructor arguments and state. `__setstate__` is defined so that no state reaches attributes."""

    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> _Recorder:
        self = super().__new__(cls)
        self.args, self.state = args, {}
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def decoded(self) -> Any:
        raise RefusedFile(f"expected an array, got a pickled {type(self).__name__}")


class _Dtype(_Recorder):
    def decoded(self) -> np.dtype:
        name = str(self.args[0])
        if name[:1] not in "biuf" or not name[1:].isdigit():
            raise RefusedFile(f"expected numbers, got an array of type {name!r}")
        order = self.state[1] if self.state else "="
        return np.dtype(name).newbyteorder(order if order in "<>" else "=")


class _Array(_Recorder):
    def decoded(self) -> np.ndarray:
        _, shape, dtype, is_fortran, data = self.state
        flat = np.frombuffer(_bytes(data), dtype.decoded())
        return flat.reshape(shape, order="F" if is_fortran else "C").copy()


class _Scalar(_Recorder):
    def decoded(self) -> Any:
        dtype, data = self.args
        return np.frombuffer(_bytes(data), dtype.decoded())[0]


class _Sparse(_Recorder):
    """A scipy CSC matrix; decoded as a dense array."""

    def decoded(self) -> np.ndarray:
        state = _decode(self.state)
        rows, cols = state["_shape"] if "_shape" in state else state["shape"]
        dense = np.zeros((rows, cols), state["data"].dtype)
        columns = np.repeat(np.arange(cols), np.diff(state["indptr"]))
        np.add.at(dense, (state["indices"], columns), state["data"])
        return dense


class _Chumpy(_Recorder):
    """A chumpy array: a leaf holds `x`, a selection holds `a`, flat indices into it, and the shape to give them."""

    def decoded(self) -> np.ndarray:
        if "x" in self.state:
            return np.asarray(_decode(self.state["x"]))
        chosen = np.asarray(_decode(self.state["a"])).ravel()[_decode(self.state["idxs"])]
        return chosen.reshape(_decode(self.state.get("preferred_shape", chosen.shape)))


class _Bytes(_Recorder):
    """Bytes as Python 3 writes them in old protocols: the text that Latin-1 makes of them."""

    def decoded(self) -> bytes:
        return _bytes(self.args[0])


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
_ADMITTED: dict[tuple[str, str], type] = {
    **{(module, "_reconstruct"): _Array for module in _NUMPY},
    **{(module, "ndarray"): _Array for module in _NUMPY},
    **{(module, "dtype"): _Dtype for module in _NUMPY},
    **{(f"scipy.sparse.{module}", "csc_matrix"): _Sparse for module in ("csc", "_csc")},
    ("chumpy.ch", "Ch"): _Chumpy,
    ("chumpy.reordering", "Select"): _Chumpy,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
}
_ON_REQUEST: dict[str, dict[tuple[str, str], type]] = {
    "bytes": {("_codecs", "encode"): _Bytes},
    "scalars": {(module, "scalar"): _Scalar for module in _NUMPY},
}


def restricted_load(path: Path | str, *, also: Iterable[str] = ()) -> Any:
    """Read a pickle of containers, numbers, text and arrays (numpy; scipy CSC and chumpy as dense numpy arrays).

    Args:
        path: A pickle of Python 2 or 3. Strings of Python 2 are taken as Latin-1.
        also: What else to admit: "bytes" (arrays that Python 3 wrote in a protocol below 3), "scalars" (numpy's).

    Raises:
        RefusedFile: No such file; not a pickle or a truncated one; it asks for any other global; an array of objects.
    """
    admitted = {**_ADMITTED, **{key: kind for name in also for key, kind in _ON_REQUEST[name].items()}}

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> type:
            if (module, name) not in admitted:
                raise RefusedFile(f"{path} asks for {module}.{name}, which no file of arrays needs: refused, not run")
            return admitted[module, name]

    try:
        with Path(path).open("rb") as file:
            return _decode(Unpickler(file, fix_imports=False, encoding="latin1").load())
    except OSError as error:
        raise RefusedFile(f"cannot open {path}: {error.strerror}") from error
    except RefusedFile as error:
        raise RefusedFile(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    except Exception as error:  # what damaged bytes raise is anybody's guess
        raise RefusedFile(f"{path} is not a complete pickle of arrays ({type(error).__name__}: {error})") from error


def _decode(value: Any) -> Any:
    """Records replaced by what they describe, in nested containers too."""
    if isinstance(value, _Recorder):
        return value.decoded()
    if isinstance(value, dict):
        return {_decode(key): _decode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_decode(item) for item in value)
    return value


def _bytes(data: Any) -> bytes:
    if isinstance(data, _Bytes):
        return data.decoded()
    return data.encode("latin1") if isinstance(data, str) else bytes(data)
