"""Members trained each by itself, at its own width, side by side on the processor's cores.

A member is a student of its own: the epochs are those of `spectral.engine.kernel`, its dead nodes leave when they die,
and nobody waits for it or pads it. Its numbers are the same to the last bit alone, in any company and with any number
of threads, on the same processor with the same versions. Members wait in one queue, the one with most to do first.

Axes: E members, R recorded epochs, S epochs whose scores are recorded, h_S hidden nodes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from spectral.engine import kernel
from spectral.engine.dropping import CHECK_EVERY, Roster
from spectral.engine.plan import ADAM_BETAS, SAVE_EVERY, Checkpoint, Plan, Recorded, diverged, interruptible, optimiser
from spectral.prune import node_scores
from spectral.students import Student
from spectral.tasks import Patterns, Task

ACTIVATIONS = {"relu": kernel.RELU, "tanh": kernel.TANH, "erf": kernel.ERF}
OPTIMISERS = {"adam": kernel.ADAM, "adamw": kernel.ADAMW, "sgd": kernel.SGD}

STRETCH = 50
"""Epochs that a member trains for before anything else can happen to it."""

PATIENCE = 2.0
"""Seconds after which a compilation is announced."""


def trainable(student: Student) -> bool:
    """Whether the kernel can train this student: on the CPU, with nothing in it that `Student` does not make."""
    first, second = student.first, student.second
    odd = (second.lam_in, second.lam_out, *(layer.bias for layer in (first, second) if layer.bias is not None))
    return (
        first.phi.device.type == "cpu"
        and first.phi.dtype in (torch.float32, torch.float64)
        and student.activation in ACTIVATIONS
        and not any(parameter.requires_grad for parameter in odd)
        and first.bias is None
        and second.bias is None
    )


class Apprentice:
    """One member on its way: a `student` of one member, what it learns from, how far it is.

    Parameters
    ----------
    student, task:
        The batch, and which of it this is: member `index` is copied out.
    key:
        Of the order of its patterns; see `spectral.streams.counted_orders`.

    Attributes
    ----------
    epoch:
        Epochs done; -1 before the start was recorded.
    errors, scores, eigenvalues:
        What was recorded, (3,), (1, h_S) and, of a traced training, (1, h_S) for each epoch.
    """

    def __init__(self, student: Student, task: Task, index: int, key: int, plan: Plan) -> None:
        self.index, self.plan, self.epoch = index, plan, -1
        self.student = student.member(index)
        self.errors: list[Tensor] = []
        self.scores: list[Tensor] = []
        self.eigenvalues: list[Tensor] = []
        self._sets = tuple(
            Patterns(patterns.x[index], patterns.y[index]) for patterns in (task.train, task.validation, task.test)
        )
        self._key = key
        chosen = optimiser(self.student, plan)
        for parameter in self.student.parameters():
            if parameter.requires_grad:
                zeros = torch.zeros_like(parameter)
                chosen.state[parameter] = {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
        self._memory = chosen.state
        self._roster = Roster(self.student, chosen, repack_below=1.0)
        self._numbers()

    @property
    def work(self) -> int:
        """Epochs times patterns times nodes that are left."""
        return (self.plan.epochs - self.epoch) * self._sets[0].y.shape[0] * self.student.student_hidden

    @property
    def done(self) -> bool:
        """Whether the last epoch has been trained and recorded."""
        return self.epoch == self.plan.epochs

    def advance(self, deadline: float, stop: np.ndarray) -> None:
        """Train a stretch at least, until it is done, `time.monotonic` is past the `deadline`, or `stop` is set.

        Raises
        ------
        TrainingDiverged
            If its loss stops being finite.
        """
        train = _columns(self._sets[0])
        while not (self.done or stop[0]):
            self._stretch(train, stop)
            if time.monotonic() > deadline:
                return

    def compile(self) -> None:
        """Have the kernel compiled for this member's number format, without training."""
        none = np.zeros((self.student.first.in_features, 0), self._rule.second_scale.dtype), self._scratch.y[:0]
        self._epochs(none, 1, 1, np.zeros(0), np.zeros(1, np.uint8))
        kernel.squared_error(*none, self._values, self._rule, self._scratch)

    def state(self) -> dict[str, Any]:
        """All there is to go on from."""
        recorded = {name: getattr(self, name) for name in ("errors", "scores", "eigenvalues")}
        return {"epoch": self.epoch, "roster": self._roster.state(), **recorded}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self.epoch, self.errors, self.scores = state["epoch"], list(state["errors"]), list(state["scores"])
        self.eigenvalues = list(state.get("eigenvalues", []))
        self._roster.load_state(state["roster"])
        self._numbers()

    def restore(self, student: Student) -> None:
        """Write what was learned into member `index` of the batch."""
        self._roster.restore()
        with torch.no_grad():
            for whole, own in zip(student.parameters(), self.student.parameters(), strict=True):
                whole[self.index] = own[0]

    def _stretch(self, train: tuple[np.ndarray, np.ndarray], stop: np.ndarray) -> None:
        """Train up to the next epoch after which something is to be done, and do it."""
        if self.epoch < 0:
            self._arrive(0)
            return
        first, last = self.epoch + 1, self._next_halt()
        losses = np.zeros(last + 1 - first)
        reached = self._epochs(train, first, last + 1, losses, stop)
        wrong = np.flatnonzero(~np.isfinite(losses[: reached - first]))
        if len(wrong):
            raise diverged([self.index], first + int(wrong[0]), self.plan.learning_rate)
        if reached > first:
            self._arrive(reached - 1)

    def _epochs(
        self, train: tuple[np.ndarray, np.ndarray], first: int, end: int, losses: np.ndarray, stop: np.ndarray
    ) -> int:
        """Have the kernel train from epoch `first` to the one before `end`."""
        reached = kernel.train_epochs(
            *train,
            self._key,
            (first, end),
            self._steps,
            self._values,
            self._means,
            self._squares,
            self._rule,
            self._scratch,
            losses,
            stop,
        )
        for parameter, count in zip(self._parameters(), self._steps, strict=True):
            if parameter in self._memory:
                self._memory[parameter]["step"].fill_(int(count))
        return reached

    def _next_halt(self) -> int:
        """The next epoch after which something is to be done."""
        plan, after = self.plan, self.epoch + 1
        halts = [plan.epochs, self.epoch + STRETCH]
        halts += [epoch for epoch in (*plan.recorded, *plan.scored) if epoch >= after]
        if plan.drop_dead:
            halts.append(-(-after // CHECK_EVERY) * CHECK_EVERY)
        return min(halts)

    def _arrive(self, epoch: int) -> None:
        """Do what is to be done after `epoch`."""
        self.epoch = epoch
        if self.plan.drop_dead and epoch and epoch % CHECK_EVERY == 0:
            width = self.student.student_hidden
            self._roster.check()
            if self.student.student_hidden < width:
                self._numbers()
        if epoch in self.plan.recorded:
            values = [
                kernel.squared_error(*_columns(patterns), self._values, self._rule, self._scratch)
                for patterns in self._sets
            ]
            self.errors.append(torch.tensor(values, dtype=torch.float64))
            if not np.isfinite(values[0]):
                raise diverged([self.index], epoch, self.plan.learning_rate)
        if epoch in self.plan.scored:
            self.scores.append(self._roster.expand(node_scores(self.student)))
            if self.plan.traced:
                self.eigenvalues.append(self._roster.expand(self.student.first.lam_out.detach().clone()))

    def _parameters(self) -> list[Tensor]:
        first, second = self.student.first, self.student.second
        return [first.phi, first.lam_out, first.lam_in, second.phi]

    def _numbers(self) -> None:
        """The kernel's view of the student's and the optimiser's memory, at the present width."""
        parameters, plan, second = self._parameters(), self.plan, self.student.second
        kept = [self._memory.get(parameter) for parameter in parameters]

        def arrays(tensors: Iterable[Tensor]) -> kernel.Numbers:
            return kernel.Numbers(*(tensor.detach()[0].numpy() for tensor in tensors))

        self._values = arrays(parameters)
        self._means, self._squares = (
            arrays(state[name] if state else torch.zeros_like(p) for state, p in zip(kept, parameters, strict=True))
            for name in ("exp_avg", "exp_avg_sq")
        )
        self._steps = np.array([int(state["step"]) if state else 0 for state in kept])
        scale = second.scale.detach()[0].contiguous().numpy()
        phi, lam_out, lam_in, outgoing = (parameter.requires_grad for parameter in parameters)
        self._rule = kernel.Rule(
            activation=ACTIVATIONS[self.student.activation],
            batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            l2_phi=plan.l2_phi,
            l2_lam=plan.l2_lam,
            l2_second=plan.l2_second,
            group_lasso=plan.group_lasso,
            l1=plan.l1,
            slimming=plan.slimming,
            optimiser=OPTIMISERS[plan.optimiser.rule],
            momentum=plan.optimiser.momentum,
            beta1=ADAM_BETAS[0],
            beta2=ADAM_BETAS[1],
            eps=plan.optimiser.eps,
            train_phi=phi,
            train_lam_out=lam_out,
            train_lam_in=lam_in,
            train_second=outgoing,
            alternate=plan.alternate,
            second_scale=scale,
        )
        (h, d), m = self._values.phi.shape, second.out_features
        self._scratch = kernel.scratch(h, d, m, self._rule.activation, scale.dtype)


def _columns(patterns: Patterns) -> tuple[np.ndarray, np.ndarray]:
    """Patterns as the kernel reads them, one column each: (d, P), (P,)."""
    return patterns.x.T.contiguous().numpy(), patterns.y.contiguous().numpy()


def train_members(
    student: Student, task: Task, keys: Tensor, plan: Plan, checkpoint: Checkpoint | None, bar: tqdm
) -> Recorded:
    """Train `student` in place."""
    members = [Apprentice(student, task, index, int(key), plan) for index, key in enumerate(keys)]
    saved = None if checkpoint is None else checkpoint.load()
    if saved is not None:
        if "members" not in saved:
            raise ValueError(
                "this run was begun by the PyTorch loop; finish it with loop='torch', or delete its checkpoint"
            )
        for member, state in zip(members, saved["members"], strict=True):
            member.load_state(state)
    try:
        side_by_side(members, checkpoint, bar)
    finally:
        for member in members:
            member.restore(student)
    errors = torch.stack([torch.stack(member.errors) for member in members], -1)
    scores = torch.cat([torch.stack(member.scores) for member in members], 1)
    eigenvalues = torch.cat([torch.stack(member.eigenvalues) for member in members], 1) if plan.traced else None
    return Recorded(errors.to(student.first.phi.dtype), scores, eigenvalues)


def side_by_side(members: Sequence[Apprentice], checkpoint: Checkpoint | None, bar: tqdm) -> None:
    """Train `members` of any students and plans to their ends, as many at a time as PyTorch uses threads."""
    for member in {member.student.first.phi.dtype: member for member in members}.values():
        _compile(member)
    threads = min(len(members), torch.get_num_threads())
    with interruptible() as stop, workers(threads) as pool:
        try:
            while left := sorted((m for m in members if not m.done), key=lambda m: m.work, reverse=True):
                deadline = time.monotonic() + SAVE_EVERY
                _wait([pool.submit(member.advance, deadline, stop) for member in left], members, bar)
                if checkpoint is not None and (stop[0] or not all(member.done for member in members)):
                    checkpoint.save({"members": [member.state() for member in members]})
                if stop[0]:
                    raise KeyboardInterrupt
        finally:
            stop[0] = 1  # whatever ends this, the threads end with it


def workers(threads: int) -> ThreadPoolExecutor:
    """Threads that train.

    Numbers near zero take a hundred times as long; what is below 1e-38 is nothing here. The setting is each thread's.
    """
    return ThreadPoolExecutor(threads, "training", initializer=lambda: torch.set_flush_denormal(True))


def _wait(futures: list[Future], members: Sequence[Apprentice], bar: tqdm) -> None:
    """Until all are through or one has failed; raises what it raised."""
    waiting = set(futures)
    while waiting:
        finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
        bar.update(sum(max(0, member.epoch) for member in members) - bar.n)
        for future in finished:
            future.result()


def _compile(member: Apprentice) -> None:
    """Have the kernel compiled, or read from disk, before threads need it; say so where that takes long."""
    said = "compiling the training kernel, once on this machine: some twenty seconds"
    announce = threading.Timer(PATIENCE, print, (said,), {"file": sys.stderr, "flush": True})
    announce.daemon = True
    announce.start()
    try:
        for function in (member.compile, member.compile, member.compile):
            try:
                function()
                break
            except OSError as error:  # compiled, but not kept: each of the two functions can meet this once
                print(
                    f"the compiled training kernel cannot be kept, and will be compiled again: {error}", file=sys.stderr
                )
    finally:
        announce.cancel()
