r"""Training: Adam, or another rule, on mean squared error plus the split penalty, each member by itself.

For each member: ``mean_B (y_student - y)^2 + l2_phi |phi|^2 + l2_lam |lam_out|^2``, minibatches reshuffled every
epoch, the last partial batch kept (arXiv:2310.12612 and its public code: Adam with eps = 1e-7, learning rate
0.005, batches of 300, 2,000 epochs). Members never meet: gradients are those of the *sum* of their losses, Adam
works number by number, and each member has its own stream for the order of its patterns.

Two loops do the same. `spectral.engine.members` has a compiled kernel train each member on a core of the CPU;
`spectral.engine.batched` has PyTorch train all at once on any device, and is what the kernel is tested against.

Axes: E members, R recorded epochs, S epochs whose scores are recorded, h_S hidden nodes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from spectral.engine.batched import train_batch
from spectral.engine.plan import ADAM, Checkpoint, Optimiser, Plan, TrainingDiverged, epochs_to_record
from spectral.progress import bar
from spectral.students import Student
from spectral.tasks import Task

__all__ = ["Checkpoint", "History", "Loop", "Optimiser", "TrainingDiverged", "epochs_to_record", "train", "which_loop"]

Loop = Literal["kernel", "torch"]


@dataclass(frozen=True)
class History:
    """What was seen at the recorded epochs; epoch n is the state after n epochs, 0 the start.

    Attributes
    ----------
    epochs:
        The R epochs.
    train_mse, validation_mse, test_mse:
        Mean squared error without penalty, over the whole set, shape (R, E).
    score_epochs:
        The S epochs whose scores were recorded.
    scores:
        Node scores, the norms of the incoming weights, shape (S, E, h_S).
    eigenvalues:
        Those of the first layer at the same epochs, zero for nodes that have left, (S, E, h_S), of a traced training;
        else None.
    """

    epochs: tuple[int, ...]
    train_mse: Tensor
    validation_mse: Tensor
    test_mse: Tensor
    score_epochs: tuple[int, ...]
    scores: Tensor
    eigenvalues: Tensor | None = None


def which_loop(student: Student) -> Loop:
    """The loop that trains `student` if nothing else is asked for: the kernel, wherever it can."""
    if not _numba_works():
        return "torch"
    from spectral.engine.members import trainable  # with numba, which takes half a second to import

    return "kernel" if trainable(student) else "torch"


@functools.cache
def _numba_works() -> bool:
    try:
        import numba  # noqa: F401
    except ImportError as error:
        print(f"numba cannot be used ({error}): PyTorch trains, which takes several times as long", file=sys.stderr)
        return False
    return True


def train(
    student: Student,
    task: Task,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    l2_phi: float,
    l2_lam: float,
    keys: Tensor,
    l2_second: float = 0.0,
    group_lasso: float = 0.0,
    l1: float = 0.0,
    slimming: float = 0.0,
    optimiser: Optimiser = ADAM,
    alternate: bool = False,
    drop_dead: bool = False,
    record_at: Iterable[int] | None = None,
    scores_at: Iterable[int] | None = None,
    traced: bool = False,
    progress: bool | None = None,
    loop: Loop | None = None,
    checkpoint: Checkpoint | None = None,
) -> History:
    """Train `student` in place on ``task.train`` and return what was recorded on the way.

    Parameters
    ----------
    keys:
        The members' keys for the order of their patterns, int64 (E,), on the patterns' device; see
        `spectral.streams.order_keys`.
    l2_second:
        Strength of a penalty on the phi of the second layer. (Its eigenvalues have `l2_lam`, where they are trained.)
    group_lasso:
        Strength of a penalty ``group_lasso * sum_i |w_i|`` on the first layer's rows, taken as a proximal step after
        each of Adam's, in Adam's own metric. Zero for none.
    l1:
        Strength of a penalty ``l1 * sum |w|`` on all weights of both layers, taken in the same way.
    slimming:
        Strength of a penalty ``slimming * sum_i |lam_out_i|``, taken in the same way, of a student whose rows of phi
        have unit length and keep it. So its eigenvalues are the scale factors of normalised nodes that network slimming
        makes sparse (Liu et al., ICCV 2017): where inputs have mean zero and covariance one, batch normalisation of a
        node without bias divides by the length of its row.
    optimiser:
        The rule of the steps and its numbers, the learning rate apart.
    alternate:
        Whether phi rests in every second epoch, and the first layer's eigenvalues in the others.
    drop_dead:
        Whether nodes that have vanished leave for good; see `spectral.engine.dropping`.
    record_at, scores_at:
        Epochs at which to record errors and scores, from 0 to `epochs`, which is always recorded; default
        `epochs_to_record` for the first, the same as the first for the second.
    traced:
        Whether the eigenvalues of the first layer are recorded along with the scores.
    progress:
        Whether to show a progress bar; None shows it where somebody looks, see `spectral.progress`.
    loop:
        "kernel" or "torch"; default `which_loop`. They agree to rounding, which training then makes grow.
    checkpoint:
        Where to keep the state every thirty seconds and when interrupted, and where to go on from; same machine, same
        numbers.

    Raises
    ------
    ValueError
        Before any training, if an argument is impossible or does not fit the others.
    TrainingDiverged
        If a member's loss stops being finite; names member, epoch and learning rate.
    KeyboardInterrupt
        On Ctrl-C, at the end of an epoch, once the checkpoint is saved.
    """
    plan = Plan(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        l2_phi=l2_phi,
        l2_lam=l2_lam,
        group_lasso=group_lasso,
        l1=l1,
        slimming=slimming,
        alternate=alternate,
        drop_dead=drop_dead,
        record_at=record_at,
        scores_at=scores_at,
        l2_second=l2_second,
        optimiser=optimiser,
        traced=traced,
    )
    plan.check(student, task, keys)
    loop = which_loop(student) if loop is None else loop
    if loop not in get_args(Loop):
        raise ValueError(f"unknown loop {loop!r}; choose one of {', '.join(get_args(Loop))}")
    if loop == "kernel" and which_loop(student) != "kernel":
        raise ValueError(
            "the kernel trains students of relu, tanh or erf nodes without biases, on the CPU, where numba is "
            "installed; use loop='torch'"
        )
    with bar(epochs * student.members, "epochs", progress) as shown:
        try:
            if loop == "torch":
                recorded = train_batch(student, task, keys, plan, checkpoint, shown)
            else:
                from spectral.engine.members import train_members

                recorded = train_members(student, task, keys, plan, checkpoint, shown)
        except KeyboardInterrupt:
            if checkpoint is not None:
                shown.write("interrupted; the same command goes on from here", file=sys.stderr)
            raise
    train_mse, validation_mse, test_mse = recorded.errors.unbind(1)
    seen = train_mse, validation_mse, test_mse, plan.scored, recorded.scores, recorded.eigenvalues
    return History(plan.recorded, *seen)
