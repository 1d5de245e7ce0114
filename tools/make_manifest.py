"""Makes the manifest of OwnHand-ID anew: `python -m tools.make_manifest`, a quarter of an hour on two cores.

Only when the benchmark's version changes: the manifest is what proves that two machines made the same pictures.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

from rich.progress import track

from ownhand.synth.ownhand_id import PEOPLE, drawn_records, save_manifest


def _person(who: tuple[str, int]) -> list[dict]:
    import torch

    torch.set_num_threads(1)
    return list(drawn_records(who[0], [who[1]]))


def main() -> None:
    everybody = [(part, person) for part, count in PEOPLE.items() for person in range(count)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = list(track(pool.map(_person, everybody), total=len(everybody), description="people"))
    save_manifest(list(chain.from_iterable(rows)))


if __name__ == "__main__":
    main()
