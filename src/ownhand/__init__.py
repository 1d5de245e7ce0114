"""ownhand: whose hand is it? Personal 3D hand shape from RGB pictures.

import ownhand

pipeline = ownhand.load()
me = pipeline.calibrate(views)
hands = pipeline.reconstruct(views, me.identity, refine=True)
"""

from importlib import metadata as _metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ownhand.data.cameras import read_cameras
    from ownhand.hand.builtin import open_hand
    from ownhand.hand.hand_file import load_identity, save_identity
    from ownhand.hand.mano import load_mano
    from ownhand.pipeline import load
    from ownhand.views import read_view

__version__ = _metadata.version("ownhand")

_PLACES = {
    "load": "ownhand.pipeline",
    "load_identity": "ownhand.hand.hand_file",
    "load_mano": "ownhand.hand.mano",
    "open_hand": "ownhand.hand.builtin",
    "read_cameras": "ownhand.data.cameras",
    "read_view": "ownhand.views",
    "save_identity": "ownhand.hand.hand_file",
}

__all__ = [
    "__version__",
    "load",
    "load_identity",
    "load_mano",
    "open_hand",
    "read_cameras",
    "read_view",
    "save_identity",
]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: the command line must answer at once."""
    if name not in _PLACES:
        raise AttributeError(f"module 'ownhand' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
