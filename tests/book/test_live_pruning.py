"""The live figure "Prune it yourself": its data, and what it shows in Chromium, with the network shut off."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from live_pages import FOCUS, STATE, STORE, colour, shown, unreadable, write
from test_reader import NARROW, WIDE, browser, page  # noqa: F401 fixtures

from spectral.book.live import pruning
from spectral.book.quantities import THRESHOLD
from spectral.curves import growth, onset
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import experiments
from spectral.prune import mask, node_scores, rank
from spectral.streams import Member
from spectral.tasks import Patterns, Task, Teacher

TOLERANCE = 1e-5
"""Of errors in units of E[y^2]; of answers in units of the largest that the whole student gives on the line."""


@pytest.fixture(scope="module")
def results() -> Results:
    return Results.stored(experiments("paper"), STORE)


@pytest.fixture(scope="module")
def data(results):
    return pruning.pruning_data(results)


# ---- The data ------------------------------------------------------------------------------------------------------


def hand_made(x: torch.Tensor, y: torch.Tensor) -> Task:
    """A task with the same patterns for all purposes."""
    patterns = Patterns(x[None], y[None])
    one = torch.ones(1, 1, 2, dtype=x.dtype)
    return Task(Teacher(one, one[..., :1], "relu"), patterns, patterns, patterns)


X, Y = torch.tensor([[1.0, 1.0], [1.0, -2.0]]).double(), torch.tensor([8.0, 5.0]).double()
SOMEONE = Member(seed=1, teacher_seed=2, trial=0)


def test_a_student_whose_curves_are_computed_by_hand(toy):
    """The toy answers 8 and 5. Its nodes by length: (3, 4), (2, 0), (0, -1), which send 1, 0.5, 2."""
    found = pruning.student_data(toy, hand_made(X, Y), SOMEONE)
    assert found["first"] == [[3, 4], [2, 0], [0, -1]]
    assert found["second"] == [[1], [0.5], [2]]
    assert found["error"] == 0
    orders = found["orders"]
    # The first alone gives 7 and 0; with the second 8 and 1, with the third 7 and 4. E[y^2] is 44.5.
    assert orders["incoming"] == {"order": [0, 1, 2], "grown": [1, 0.292135, 0.179775, 0], "critical": 3}
    assert orders["product"] == {"order": [0, 2, 1], "grown": [1, 0.292135, 0.022472, 0], "critical": 3}
    assert orders["greedy"] == orders["product"]  # without the second the error is smallest, then without the third
    assert sorted(orders["random"]["order"]) == [0, 1, 2]


def test_nodes_that_receive_or_send_nothing_are_left_out(toy):
    with torch.no_grad():
        toy.second.phi[0, 0, 2] = 0
        found = pruning.student_data(toy, hand_made(X, toy(X)[0]), SOMEONE)
    assert found["first"] == [[3, 4], [0, -1]]
    assert len(found["orders"]["random"]["grown"]) == 3


def test_what_the_page_does_not_compute_is_refused(toy):
    toy.activation = "tanh"
    with pytest.raises(ValueError, match="one relu student"):
        pruning.student_data(toy, hand_made(X, Y), SOMEONE)


def test_without_any_teacher_there_is_no_figure(results):
    with pytest.raises(MissingResult, match="20 or 80 nodes"):
        pruning.pruning_data(Results(results.select(design="grid"), results.__getitem__))


def test_the_committed_data(data, results):
    """Small enough for a page; students of one teacher with the same patterns; what is shown holds what is needed."""
    assert len(json.dumps(data, separators=(",", ":"), allow_nan=False)) < 200_000
    assert [teacher["nodes"] for teacher in data["teachers"]] == [20, 80]
    factors = [[one["penalty"] for one in teacher["students"]] for teacher in data["teachers"]]
    assert factors == [[0.1, 0.3, 1, 3, 10], [0.01, 0.1, 1]]
    used = [one for one in results if one.config.hash() in data["runs"]]
    assert len(used) == 8
    assert len({results[one].members([0])[0] for one in used}) == 2
    for teacher in data["teachers"]:
        for one in teacher["students"]:
            assert len(one["first"]) == len(one["second"]) <= teacher["most"]
            for order in one["orders"].values():
                assert sorted(order["order"]) == list(range(len(one["first"])))
                grown = torch.tensor(order["grown"]) + one["error"]
                assert order["critical"] == int(onset(grown[None] / (1 + one["error"]), THRESHOLD))


def test_what_the_figure_is_there_to_show(data):
    """At 20 nodes the critical size stays while the penalties change thirtyfold; at 80 it slides through them."""
    small, large = (
        [one["orders"]["greedy"]["critical"] / teacher["nodes"] for one in teacher["students"]]
        for teacher in data["teachers"]
    )
    assert all(abs(ratio - 1) <= 0.15 for ratio in small[:-1])
    assert large[0] > 1.5 > 0.6 > large[-1]


# ---- The page ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(data, tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("live") / "page", "pruning", data)


def choose(page, teacher: int, penalty: float, order: str, n: int) -> dict:  # noqa: F811
    """What the figure shows with these settings, and says."""
    page.get_by_label(f"{teacher} nodes", exact=True).check()
    page.get_by_label(f"× {penalty:g}", exact=True).check()
    page.locator(".live select").select_option(order)
    page.locator(".live input[type=range]").fill(str(n))
    state = page.evaluate(STATE)
    return state | {"said": page.locator(".live-readout").inner_text()}


def settings(data, count: int) -> Iterator[tuple[int, int, str, int]]:
    """Seeded draws of teacher and student, by their places, order, and number of nodes."""
    draw = random.Random(20)
    for _ in range(count):
        teacher = draw.randrange(len(data["teachers"]))
        student = draw.randrange(len(data["teachers"][teacher]["students"]))
        left = len(data["teachers"][teacher]["students"][student]["first"])
        yield teacher, student, draw.choice(["incoming", "product", "greedy", "random"]), draw.randint(1, left)


def differences(page, data, results, count: int) -> list[tuple[float, float]]:  # noqa: F811
    """How far the page's error and answers are from those of the stored student, cut by `spectral.prune.mask`."""
    found = []
    by_hash = {one.config.hash(): results[one] for one in results if one.config.hash() in data["runs"]}
    runs = iter(data["runs"])
    stored = [[by_hash[next(runs)] for _ in teacher["students"]] for teacher in data["teachers"]]
    for t, s, order, n in settings(data, count):
        drawn = data["teachers"][t]["students"][s]
        state = choose(page, data["teachers"][t]["nodes"], drawn["penalty"], order, n)
        student, test = stored[t][s].student([0]).double(), stored[t][s].task([0]).test
        test = Patterns(test.x.double(), test.y.double())
        kept = rank(node_scores(student))[0, drawn["orders"][order]["order"][:n]]
        if order in ("incoming", "product"):
            assert kept.tolist() == rank(node_scores(student, order))[0, :n].tolist()
        keep = torch.zeros(1, student.student_hidden, dtype=torch.bool)
        keep[0, kept] = True
        with torch.no_grad():
            pruned, line = mask(student, keep), pruning.along(test.x[0, :2])
            nothing = test.y.square().mean()
            mse = torch.stack([(one(test.x) - test.y).square().mean() for one in (pruned, student)])
            error = growth(torch.stack([nothing, *mse])[None])[0, 1]
            apart = (torch.tensor(state["answers"], dtype=torch.float64) - pruned(line)[0]).abs().max()
            found.append((float(abs(error - state["error"])), float(apart / student(line).abs().max())))
        assert state["said"].startswith(f"{n} of {student.student_hidden} nodes kept")
    return found


def test_error_and_answers_are_those_of_the_pruned_student(page, data, results, address):  # noqa: F811
    with shown(page, address):
        found = differences(page, data, results, 20)
    assert len(found) == 20
    assert max(error for error, _ in found) <= TOLERANCE
    assert max(apart for _, apart in found) <= TOLERANCE


@pytest.mark.parametrize(
    "fault",
    [
        ("Math.max(value, 0)", "value"),
        ("all + relu(value)", "all + value"),
        ("of.order.slice(0, n)", "of.order.slice(0, n + 1)"),
        ("at(of.grown, n)", "at(of.grown, n + 1)"),
    ],
    ids=["no relu", "no second relu", "a node too many", "another's error"],
)
def test_a_fault_is_found(page, data, results, tmp_path, fault):  # noqa: F811
    path = write(tmp_path / "page", "pruning", data, fault)
    with shown(page, path):
        assert max(max(pair) for pair in differences(page, data, results, 4)) > TOLERANCE


def test_without_a_node_it_says_nothing(page, address):  # noqa: F811
    with shown(page, address):
        state = choose(page, 20, 1, "greedy", 0)
        assert set(state["answers"]) == {0}
        assert 0.9 < state["error"] <= 1
        assert "On the line 0 of" in state["said"]


def test_what_it_says(page, data, address):  # noqa: F811
    """The numbers of the sentences are those of the data, and the sentence on penalties is each teacher's."""
    with shown(page, address):
        small, large = (choose(page, size, 1, "greedy", 12) for size in (20, 80))
        more = choose(page, 20, 1, "greedy", 40)["said"]
    for state, teacher in zip((small, large), data["teachers"], strict=True):
        (usual,) = (one for one in teacher["students"] if one["penalty"] == 1)
        of = usual["orders"]["greedy"]
        assert f"has grown by {1000 * of['grown'][12]:.2g} thousandths of E[y²]" in state["said"]
        assert f"cut to as many, has grown by {1000 * teacher['orders']['greedy']['grown'][12]:.2g}." in state["said"]
        assert f"critical size is {of['critical']} nodes" in state["said"]
        signs = (torch.tensor(usual["first"]) @ pruning.along(torch.tensor(teacher["line"]))[[0, -1]].T).sign()
        bent = signs.prod(-1)[of["order"]] < 0  # a node answers at one end only
        assert f"On the line {int(bent[:12].sum())} of {int(bent.sum())} bends are left." in state["said"]
    assert "It stays near the teacher’s 20, but for × 10." in small["said"]
    assert "It slides through the teacher’s 80." in large["said"]
    assert "the error has not grown; the teacher has no more than 20 nodes." in more


def test_the_keyboard_reaches_and_moves_everything(page, address):  # noqa: F811
    def press(key: str):
        page.keyboard.press(key)
        return page.evaluate(FOCUS), page.evaluate(STATE)

    with shown(page, address):
        before = page.evaluate(STATE)
        for kind, key, what in (
            ("radio", "ArrowRight", "nodes"),
            ("radio", "ArrowLeft", "nodes left"),
            ("select-one", "ArrowDown", "order"),
            ("range", "ArrowLeft", "n"),
        ):
            (reached, label, seen), _ = press("Tab")
            assert (reached, seen) == (kind, True)
            assert label.strip()
            (still, _, _), after = press(key)
            assert still == kind
            changed = {
                "nodes": after["nodes"] != before["nodes"],
                "nodes left": after["critical"] != before["critical"],
                "order": after["kept"] != before["kept"],
                "n": after["n"] == before["n"] - 1 and len(after["kept"]) == after["n"],
            }
            assert changed[what], what
            before = after


def test_a_press_on_the_curve_moves_the_slider(page, address):  # noqa: F811
    with shown(page, address):
        box = page.locator(".live-panel svg").nth(1).bounding_box()
        page.mouse.click(box["x"] + box["width"] * 200 / 360, box["y"] + 60)
        assert page.evaluate("document.querySelector('.live').state.n") == 20
        assert page.locator(".live input[type=range]").input_value() == "20"


def test_two_on_a_page_do_not_know_each_other(page, data, tmp_path):  # noqa: F811
    path = write(tmp_path / "page", "pruning", data, times=2)
    with shown(page, path):
        first, second = (page.locator(".live").nth(index) for index in range(2))
        first.get_by_label("80 nodes").check()
        second.get_by_label("× 10").check()
        first.get_by_label("× 0.01").check()
        critical = page.evaluate("[...document.querySelectorAll('.live')].map(({state}) => state.critical)")
        assert second.get_by_label("20 nodes").is_checked()
        assert second.get_by_label("× 10").is_checked()
    orders = data["teachers"][1]["students"][0]["orders"], data["teachers"][0]["students"][-1]["orders"]
    assert critical == [order["greedy"]["critical"] for order in orders]


LINES = ".student, .whole, .teacher, .axis, .guide, .bend:not(.gone)"
AREAS = ".nodes circle:not(.gone, .dead), .point, .critical.current"


@pytest.mark.parametrize("width", [WIDE, NARROW, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(page, data, address, width, scheme):  # noqa: F811
    """Text is told from its ground and from other text, and nothing beside the screen; so for all students."""
    with shown(page, address, width=width):
        colour(page, scheme)
        for teacher in data["teachers"]:
            for student in teacher["students"]:
                choose(page, teacher["nodes"], student["penalty"], "incoming", 0)
                assert unreadable(page, lines=LINES, areas=AREAS) == {}


def test_it_is_not_printed(page, address):  # noqa: F811
    with shown(page, address):
        assert page.locator(".live").is_visible()
        page.emulate_media(media="print")
        assert not page.locator(".live").is_visible()
        page.emulate_media(media="screen")
