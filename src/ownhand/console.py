"""What commands share: progress on the screen, where numbers come from, folders that can be written."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from rich.progress import MofNCompleteColumn, Progress

from ownhand import __version__


@contextmanager
def progress() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Bars on the screen: gives, by the name of a task, what is to be called with how many of how many are done."""
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:

        def report(name: str) -> Callable[[int, int], None]:
            task = bar.add_task(name)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield report


def provenance() -> dict[str, Any]:
    """What a number needs beside it to be repeated: command, version, commit if there is one, machine, date.

    Of absolute paths only the last part is kept: where somebody keeps files is nobody's business.
    """
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "command": " ".join(["ownhand", *(Path(word).name if os.path.isabs(word) else word for word in sys.argv[1:])]),
        "software": f"ownhand {__version__}",
        "commit": commit.stdout.strip() or "unknown",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, torch {torch.__version__}",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def check_writable(folder: Path) -> None:
    """Make the folder, and find out now rather than after the work whether it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".ownhand-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(f"{folder}: cannot write there ({error.strerror})") from None
