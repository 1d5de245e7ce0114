"""Frozen dataclasses of tensors that share leading batch axes.

A field annotated `Float[Tensor, "*batch 21 2"]` has two axes of its own; everything before them is batch. The
annotation is the only place where this is written down: batch shape, indexing and stacking follow from it.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

S = TypeVar("S", bound="TensorStruct")
T = TypeVar("T")


def given(value: T | None, name: str) -> T:
    """The value, which must not be None.

    Raises:
        ValueError: It is.
    """
    if value is None:
        raise ValueError(f"expected {name}, got None")
    return value


@cache
def _own_axes(cls: type) -> dict[str, int]:
    """Number of non-batch axes of each batched tensor field of `cls`."""
    axes = {}
    for name, hint in typing.get_type_hints(cls).items():
        for option in typing.get_args(hint) or (hint,):
            dims = getattr(option, "dim_str", "").split()
            if dims and dims[0] == "*batch":
                axes[name] = len(dims) - 1
    return axes


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorStruct:
    """Base of all tensor dataclasses: conversion, indexing and stacking over the batch axes."""

    def _map(self: S, function: Callable[[Tensor], Tensor], *, batched_only: bool = False) -> S:
        """Apply `function` to every tensor, descending into nested structs."""
        own = _own_axes(type(self))
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, TensorStruct):
                changes[field.name] = value._map(function, batched_only=batched_only)
            elif isinstance(value, Tensor) and (field.name in own or not batched_only):
                changes[field.name] = function(value)
        return dataclasses.replace(self, **changes)

    def to(self: S, target: torch.device | torch.dtype | str) -> S:
        """Move to a device, or convert floating-point tensors to a dtype."""
        if isinstance(target, torch.dtype):
            return self._map(lambda x: x.to(target) if x.is_floating_point() else x)
        return self._map(lambda x: x.to(target))

    def detach(self: S) -> S:
        return self._map(Tensor.detach)

    @property
    def batch_shape(self) -> torch.Size:
        """The leading axes that all batched fields share.

        Raises:
            ValueError: The fields disagree.
        """
        shapes = {}
        for name, own in _own_axes(type(self)).items():
            value = getattr(self, name)
            if value is not None:
                shapes[name] = value.shape[: value.ndim - own]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, TensorStruct) and _own_axes(type(value)):
                shapes[field.name] = value.batch_shape
        if len(set(shapes.values())) > 1:
            listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
            raise ValueError(f"all fields of {type(self).__name__} must share batch axes, but they have {listed}")
        return next(iter(shapes.values()), torch.Size())

    def __len__(self) -> int:
        if not self.batch_shape:
            raise TypeError(f"this {type(self).__name__} has no batch axis")
        return self.batch_shape[0]

    def __getitem__(self: S, index: Any) -> S:
        """Index the leading batch axes: integers, slices, masks or index tensors, but no ellipsis."""
        if not self.batch_shape:
            raise IndexError(f"this {type(self).__name__} has no batch axis to index")
        return self._map(lambda x: x[index], batched_only=True)


def to_tensors(struct: TensorStruct, prefix: str = "") -> dict[str, Tensor]:
    """All tensors of a struct by name, those of nested ones as `field.field`; what is None is left out."""
    found = {}
    for field in dataclasses.fields(struct):
        value, name = getattr(struct, field.name), prefix + field.name
        if isinstance(value, TensorStruct):
            found |= to_tensors(value, f"{name}.")
        elif isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, tuple):
            found[name] = torch.tensor(value)
    return found


def from_tensors(cls: type[S], tensors: Mapping[str, Tensor]) -> S:
    """The struct that `to_tensors` took apart; fields without tensors keep their defaults.

    Raises:
        ValueError: A field is missing.
    """
    values: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(cls).items():
        inner = {key.removeprefix(f"{name}."): x for key, x in tensors.items() if key.startswith(f"{name}.")}
        nested = [t for t in (hint, *typing.get_args(hint)) if isinstance(t, type) and issubclass(t, TensorStruct)]
        if inner:
            values[name] = from_tensors(nested[0], inner)
        elif name in tensors:
            values[name] = tuple(tensors[name].tolist()) if typing.get_origin(hint) is tuple else tensors[name]
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"expected all fields of {cls.__name__}: {error}") from None


def _combine(operation: Callable[[list[Tensor]], Tensor], structs: Sequence[Any]) -> Any:
    first = structs[0]
    own = _own_axes(type(first))
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(first):
        values = [getattr(s, field.name) for s in structs]
        if any((v is None) != (values[0] is None) for v in values):
            raise ValueError(f"{type(first).__name__}.{field.name} is missing in some of the values to be combined")
        if isinstance(values[0], TensorStruct):
            changes[field.name] = _combine(operation, values)
        elif isinstance(values[0], Tensor) and field.name in own:
            changes[field.name] = operation(values)
        elif not isinstance(values[0], Tensor) and any(v != values[0] for v in values):
            raise ValueError(f"{type(first).__name__}.{field.name} differs: {values[0]!r} and others")
    return dataclasses.replace(first, **changes)


def stack(structs: Sequence[Any]) -> Any:
    """Join structs of one type and batch shape along a new leading axis.

    Raises:
        ValueError: The list is empty, a field is present in some only, or static fields differ.
    """
    if not structs:
        raise ValueError("expected at least one value to stack, got none")
    return _combine(torch.stack, structs)


def concatenate(structs: Sequence[Any]) -> Any:
    """Join structs of one type along their first batch axis. Raises as `stack`."""
    if not structs:
        raise ValueError("expected at least one value to concatenate, got none")
    return _combine(torch.cat, structs)
