"""Every test of every claim in a world in which it holds, and in one with a planted fault: the verdict moves."""

import pytest
from worlds import (
    World,
    balanced,
    erring,
    exponential,
    extra,
    fading,
    falling,
    heavy,
    missing,
    on_rungs,
    perfect,
    positive,
    scaled,
    scattered,
    split,
    stranger,
    surplus,
    weak,
)

from spectral.bench.tables import FORMAT, save
from spectral.book import claims
from spectral.book.claims import HOLDS, NOT, WITHIN, outcome

LEVEL = 0.95
CLAIMS = {claim.id: claim for claim in claims.read_claims()[0]}


def wide(config):
    """More surplus in larger students."""
    return {40: 0, 60: 2, 100: 4, 200: 6, 500: 8, 1000: 10}.get(config.student_hidden, 0)


def ten(config):
    return 10


def large(config) -> float:
    """Students of the largest teachers find half of their nodes."""
    return 0.5 if config.teacher_hidden == 160 else 1.0


def odd(config) -> float:
    """Other activations and inputs lead to half of the nodes."""
    return 0.5 if config.activation != "relu" or config.inputs != "gaussian" or config.teacher == "committee" else 1.0


def steep(config) -> float:
    return 1.0 + 0.02 * config.teacher_hidden


def steep_tasks(config) -> float:
    return 1.5 if config.inputs == "gaussian" and config.activation == "relu" else 5.0


SPLIT = World({"published": split, "matched": split, "lasso": split})
"""The paper's: conventional students of every kind need all of their nodes."""

TRANSITION = World({"universal": falling()})
NARROW = {"narrow": erring(0.5)}
MANY, SEVERAL = {"teachers": 20}, {"trials": 5}
NAMED = {"b=0": "a=0.01,b=0", "a=0": "a=0,b=0.0005"}
COSTS = {"step": 1.03, "torch": 1.03}


def more(*labels: str) -> World:
    """Half as many nodes again in some experiments on why nodes die."""
    return World({f"why/{NAMED.get(label, label)}/100": heavy(ten) for label in labels})


def asked(*students: str, by=None) -> World:
    """Several students of each teacher, all perfect but for these, which by default have ten nodes more in common."""
    return World(dict.fromkeys(students, by or extra(ten)), SEVERAL)


TRUSTED = {"lasso": scattered, "spectral": stranger, "matched": stranger}
"""Students that agree on what is not their teacher."""

Fault = tuple[World | dict, World | dict, str]

FAULTS: dict[str, list[Fault]] = {
    "cost": [
        (World(), World(changes={"input_dim": 1, "teacher_second": 1}), NOT),
        (World(), World(changes={"batch_size": 3}), NOT),
        (COSTS, COSTS | {"step": 1.3}, NOT),
        (COSTS, COSTS | {"torch": 1.3}, NOT),
    ],
    "gap": [
        (World(), World({"spectral": fading}), NOT),
        (World(), World({"spectral": surplus(ten, score=0.01)}), NOT),
        (SPLIT, World(), NOT),
    ],
    "size": [
        (World(), World({"spectral": surplus(ten)}), NOT),
        (World(), World({"spectral": heavy(ten)}), NOT),
        (World(), World({"m=20/spectral/200": surplus(ten)}), WITHIN),
    ],
    "invariance": [
        (World(), World({"spectral": surplus(wide)}), NOT),
        (World(), World({"spectral": heavy(wide)}), NOT),
    ],
    "conventional": [
        (SPLIT, World(), NOT),
        (SPLIT, World(), NOT),
        (SPLIT, World(SPLIT.makers | {"matched": perfect}), NOT),
        (SPLIT, World(SPLIT.makers | {"matched": perfect}), NOT),
        (SPLIT, World(SPLIT.makers | {"matched": perfect}), NOT),
        (SPLIT, World(SPLIT.makers | {"lasso": perfect}), NOT),
    ],
    "error": [
        (World(), World({"grid/spectral/500": erring(0.02)}), WITHIN),
        (World({"grid": erring(0.001)}), World({"spectral": erring(0.0015), "grid": erring(0.001)}), NOT),
        (World({"grid": erring(0.001)}), World({"grid/spectral/500": erring(0.002), "grid": erring(0.001)}), WITHIN),
        (World({"grid": erring(0.001)}), World({"matched": erring(0.0005), "grid": erring(0.001)}), NOT),
    ],
    "paths": [
        (SPLIT, World({"spectral": scaled(3), "published": split}), NOT),
        (SPLIT, World({"spectral": scaled(3), "published": split}), NOT),
    ],
    "topology": [
        (SPLIT, World({"spectral": positive, "published": split}), NOT),
        (World({"published": positive}), World({"spectral": positive}), NOT),
    ],
    "plateau": [
        (World(), World({"spectral": weak}), NOT),
        (World(), World({"spectral": split}), NOT),
        (World(), World({"spectral": split}), NOT),
    ],
    "transition": [
        (World(), World({"spectral": heavy(ten)}), NOT),
        (TRANSITION, World({"universal": falling(jump=0.3)}), NOT),
    ],
    "universality": [
        (TRANSITION, World({"universal": falling(large)}), WITHIN),
        (TRANSITION, World({"universal": falling(beta=steep)}), NOT),
        (TRANSITION, World({"universal": falling(odd)}), WITHIN),
        (TRANSITION, World({"universal": falling(beta=steep_tasks)}), NOT),
    ],
    "lasso": [
        (World(), World({"lasso": heavy(ten)}), NOT),
        (World(), World({"lasso": heavy(wide)}), NOT),
        (World(), World({"lasso": split}), NOT),
    ],
    "open-paths": [(World(), World({"spectral": stranger}), NOT)],
    "stranger": [(World({"spectral": scaled(3)}), World(), NOT)],
    "partners": [(World(), World({"spectral": stranger}), NOT)],
    "found": [
        (World(changes=MANY), World({"spectral": missing(1)}, MANY), NOT),
        (World(changes=MANY), World({"universal/h_T=40,d=5/200": missing(20)}, MANY), WITHIN),
    ],
    "contrast": [
        (World(), World({"control": split}), NOT),
        (World(), World({"control": split}), NOT),
        (World(), World({"control": split}), NOT),
    ],
    "fair-pruning": [
        (World(), World({"grid/matched/1000": split}), WITHIN),
        (World(), World({"grid/matched/1000": split}), WITHIN),
    ],
    "effective-teacher": [
        (World(NARROW | {"universal": erring(0.01)}), World({"narrow": erring(0.001), "universal": erring(0.01)}), NOT)
    ],
    "limits": [(TRANSITION, World({"universal/noise=1/100": falling(lambda config: 0.5)}), WITHIN)],
    "curve": [
        (World(changes=MANY), World({"universal": split}, MANY), NOT),
        (World(changes=MANY), World({"universal/activation=tanh/100": split}, MANY), WITHIN),
    ],
    "form": [(TRANSITION, World({"universal": exponential}), NOT)] * 3,
    "hidden-lasso": [
        (more("b=0"), World(), NOT),
        (World(), more("a=0.0005,b=0.01"), WITHIN),
        (more("momentum,b=0"), World(), NOT),
        (World({"why": balanced}), World(), NOT),
    ],
    "adaptive-ridge": [
        (more("a=0"), World(), NOT),
        (more("adamw"), World(), NOT),
        (more("momentum"), World(), NOT),
        (World({"why/adamw/100": split}), World(), NOT),
        (World({"why/momentum/100": split}), World(), NOT),
        (more("momentum,longer"), World(), NOT),
        (World(), more("eps=0.001"), WITHIN),
        (World(), more("direct"), NOT),
    ],
    "vanish": [(World({"why/direct/100": fading}), World(), NOT)],
    "together": [
        (asked(), asked("published"), NOT),
        (asked(), asked("published", by=stranger), NOT),
        (asked(), asked("published"), NOT),
        (asked(), asked("published", by=extra(wide)), NOT),
        (asked(), asked("published"), NOT),
        (asked(), asked("matched"), NOT),
        (asked(), asked("spectral"), NOT),
        (asked(), asked("together/published,h_T=40,d=5/200"), WITHIN),
    ],
    "certificate": [
        (asked(), asked("together", by=stranger), NOT),
        (asked("lasso", by=scattered), World(TRUSTED, SEVERAL), NOT),
    ],
    "peers": [
        (World(), World({"spectral": on_rungs(2)}), NOT),
        (World(), World({"spectral": on_rungs(plus=0.01)}), NOT),
        (World(), World({"lasso": on_rungs(0.5)}), WITHIN),
        (World(), World({"spectral": on_rungs(2)}), NOT),
    ],
    "wide-first": [
        (World({"search": on_rungs(2)}), World(), NOT),
        (World({"search": on_rungs(lost=2)}), World(), NOT),
        (World({"search": on_rungs(2)}), World({"search": on_rungs(2), "rewind": on_rungs(2)}), WITHIN),
        (World({"search": on_rungs(2)}), World(), NOT),
    ],
}

CASES = [(claim.id, index) for claim in CLAIMS.values() for index in range(len(claim.tests))]


def found(claim: str, index: int, world: World | dict, tmp_path):
    test = CLAIMS[claim].tests[index]
    if isinstance(world, World):
        return outcome(test, world.results, LEVEL)
    pair = {"low": 0.0, "n": 60}
    torch = {"mean": world["torch"], "high": world["torch"] + 0.02} | pair
    cells = [torch | {"batch": 300, "width": width} for width in (40, 200)]
    path = tmp_path / "bench.json"
    step = {"mean": world["step"], "high": world["step"] + 0.02} | pair
    measured = {"step_cost_ratio": step, "torch_cost_ratio": {"cells": cells}}
    save({"format": FORMAT, "quick": False, "sizes": {"config": {"student_hidden": 200}}} | measured, path)
    return outcome(test, World().results, LEVEL, path)


def test_there_is_a_fault_for_every_test():
    assert {name: len(faults) for name, faults in FAULTS.items()} == {
        name: len(claim.tests) for name, claim in CLAIMS.items()
    }


@pytest.mark.parametrize(("claim", "index"), CASES, ids=[f"{claim}-{index}" for claim, index in CASES])
def test_a_planted_fault_moves_the_verdict(claim, index, tmp_path):
    good, bad, expected = FAULTS[claim][index]
    assert found(claim, index, good, tmp_path).verdict == HOLDS
    assert found(claim, index, bad, tmp_path).verdict == expected
