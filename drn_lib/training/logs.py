"""What a training leaves for its reader while it runs: a progress bar, a CSV file, TensorBoard.

The CSV file and TensorBoard's folder stand beside the state. Both are written from the curve, which is part of the
state, so that a resumed run leaves what an uninterrupted one does.
"""

from __future__ import annotations

import csv
from pathlib import Path

from tqdm import tqdm  # not tqdm.auto: it warns in every notebook without ipywidgets

from drn_lib.paths import replacing, shows_progress

CSV_FILE = "log.csv"
TENSORBOARD_FOLDER = "tensorboard"


def progress_bar(title: str, step: int, total_steps: int, shown: bool) -> tqdm:
    """The bar of a training; silent under DRN_PROGRESS=0."""
    silent = not (shown and shows_progress())
    return tqdm(total=total_steps, initial=step, desc=title, unit="step", disable=silent)


class Logs:
    """The files of one training; a folder of None writes none.

    Args:
        folder: where the state is kept.
        curve: the rows of the epochs that a resumed run has done.
        tensorboard: whether TensorBoard's files are written beside the CSV file.

    Raises:
        ValueError: TensorBoard is wanted without a folder, or is not installed.
    """

    def __init__(self, folder: Path | None, curve: list[dict[str, float]], tensorboard: bool = False):
        self.folder, self.writer = folder, None
        if tensorboard:
            # What a killed run wrote of an epoch that is trained again is hidden.
            self.writer = summary_writer(folder)(str(folder / TENSORBOARD_FOLDER), purge_step=len(curve) + 1)

    def epoch(self, curve: list[dict[str, float]], learning_rate: float) -> None:
        """Write the curve up to now; its last row is the epoch that has just ended."""
        if self.folder is not None:
            write_curve(self.folder / CSV_FILE, curve)
        if self.writer is not None:
            row = {**curve[-1], "learning_rate": learning_rate}
            epoch = int(row.pop("epoch"))
            for name, value in row.items():
                self.writer.add_scalar(name, value, epoch)
            self.writer.flush()

    def close(self) -> None:
        """Close what is open."""
        if self.writer is not None:
            self.writer.close()


def write_curve(file: Path, curve: list[dict[str, float]]) -> None:
    """Write one line for each epoch, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in curve for name in row))
    with replacing(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(curve)


def summary_writer(folder: str | Path | None) -> type:
    """TensorBoard's writer; ValueError where it is not installed or there is no folder for its files."""
    if folder is None:
        raise ValueError("TensorBoard's files need a folder: name one, or leave TensorBoard out")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(
            "TensorBoard is not installed: run 'pip install tensorboard', or leave TensorBoard out "
            f"({CSV_FILE} has the same numbers)"
        ) from None
    return SummaryWriter
