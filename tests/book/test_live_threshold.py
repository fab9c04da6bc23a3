"""The live figure "Where do you draw the line?": its data, and what it shows in Chromium, with the network shut off."""

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from live_pages import FOCUS, STATE, STATIC, STORE, colour, shown, unreadable, write
from test_reader import NARROW, WIDE, browser, page  # noqa: F401 fixtures

from spectral.book.figures.dark import dark
from spectral.book.figures.style import ROLES
from spectral.book.live import threshold
from spectral.lab.collection import MissingResult, Results
from spectral.lab.presets import STUDENTS, experiments
from spectral.measures import effective_size


@pytest.fixture(scope="module")
def grid():
    return Results.stored(experiments("paper"), STORE).table("student", "student_hidden", design="grid")


@pytest.fixture(scope="module")
def data(grid):
    return threshold.threshold_data(grid)


# ---- The data ------------------------------------------------------------------------------------------------------


def made(*scores: torch.Tensor, product: torch.Tensor, teacher: int = 2) -> SimpleNamespace:
    """A result with given scores at epochs 0, 1, ..."""
    config = SimpleNamespace(
        teacher_hidden=teacher, input_dim=3, second_nodes=1, teachers=2, trials=1, hash=lambda: "a run"
    )
    history = SimpleNamespace(scores=torch.stack(scores), score_epochs=tuple(range(len(scores))))
    return SimpleNamespace(config=config, history=history, product=product)


def test_counts_by_hand():
    """The thresholds go by factors of about 1.12; a score that equals one of them does not count as above it."""
    counts = threshold.steps(torch.tensor([[2.0, 1.0, 0.9, 0.1, 0.001, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]))
    assert counts.shape == (2, len(threshold.THRESHOLDS))
    above = [threshold.THRESHOLDS[-1 - step] for step in torch.nonzero(counts[0]).flatten()]
    assert above == [0.89, 0.45, 0.4, 0.045]  # the first that each relative score is above: 1, 0.5, 0.45 and 0.05
    assert counts[0].sum() == 4  # 0.0005 is below all
    assert counts[1].tolist() == [6] + [0] * (len(threshold.THRESHOLDS) - 1)


def test_a_grid_made_by_hand():
    early, late = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]), torch.tensor([[1.0, 0.2, 0.0], [1.0, 1.0, 0.0]])
    product = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    found = threshold.threshold_data({("matched", 3): made(early, late, product=product)})
    assert (found["teacher"], found["inputs"], found["second"], found["members"]) == (2, 3, 1, 2)
    assert (found["widths"], found["epochs"], found["runs"]) == ([3], [0, 1], ["a run"])
    (student,) = found["students"]
    assert student["label"] == "direct student, same settings"
    ((first, last),) = student["one"]["incoming"]
    assert (first[0], sum(first), last[0], sum(last)) == (3, 3, 1, 2)
    assert [sum(part) for part in student["one"]["product"]] == [1]
    assert [sum(part) for part in student["all"]["product"]] == [4]
    assert [sum(part) for part in student["all"]["incoming"][0]] == [6, 4]


def test_what_cannot_be_compared_is_refused():
    scores = torch.ones(2, 3)
    one, other = made(scores, product=scores), made(scores, product=scores, teacher=5)
    with pytest.raises(MissingResult, match=r"none of \[\('lasso', 3\)"):
        threshold.threshold_data({("spectral", 3): one, ("spectral", 4): one, ("lasso", 4): one})
    with pytest.raises(MissingResult, match="there is none of"):
        threshold.threshold_data({})
    with pytest.raises(ValueError, match="one teacher size"):
        threshold.threshold_data({("spectral", 3): one, ("spectral", 4): other})


def test_the_committed_data(data, grid):
    """Small enough for a page; all widths, all kinds; thresholds are what is read, and the paper's is one of them."""
    assert len(json.dumps(data, separators=(",", ":"), allow_nan=False)) < 120_000
    assert sorted(student["role"] for student in data["students"]) == sorted(STUDENTS)
    assert data["widths"] == sorted({width for _, width in grid})
    assert data["widths"][data["middle"]] == 200
    assert data["thresholds"][data["first"]] == 0.05
    assert (data["thresholds"][0], data["thresholds"][data["offered"] - 1]) == (0.001, 0.5)
    assert len(set(data["thresholds"])) == len(data["thresholds"])
    assert len(data["runs"]) == len(grid)


def test_all_counts_are_those_of_effective_size(data, grid):
    """Of every student, at every width, epoch and threshold, by both scores, alone and together."""
    for student in data["students"]:
        for place, width in enumerate(data["widths"]):
            result = grid[student["role"], width]
            found = [(result.product, *(student[of]["product"][place] for of in ("one", "all")))]
            for epoch, scores in enumerate(result.history.scores):
                found.append((scores, *(student[of]["incoming"][place][epoch] for of in ("one", "all"))))
            assert torch.equal(result.history.scores[-1], result.scores)
            for scores, one, every in found:
                sizes = torch.stack([effective_size(scores, value) for value in reversed(data["thresholds"])])
                assert torch.tensor(one).cumsum(0).tolist() == sizes[:, 0].tolist()
                assert torch.tensor(every).cumsum(0).tolist() == sizes.sum(1).tolist()


def test_what_the_figure_is_there_to_show(grid):
    """In the mean: two sizes stay over two decades; the third falls, and by the product far more; the last is large."""

    def sizes(role, score="incoming"):
        return [float(effective_size(grid[role, 200].by(score), value).double().mean()) for value in (0.001, 0.05, 0.1)]

    for role in ("spectral", "lasso"):
        assert max(sizes(role)) < 1.15 * min(sizes(role)) < 1.15 * 24
    assert max(sizes("matched")) > 3 * min(sizes("matched"))
    assert sizes("matched")[1] > 3 * sizes("matched", "product")[1]
    assert sizes("published", "product")[1] > 100


# ---- The page ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(data, tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("live") / "page", "threshold", data)


def choose(root, data, width: int, epoch: int, score: str, value: float) -> None:
    """Set all controls of a figure; by the product there is no epoch to choose."""
    root.get_by_role("radio", name="norm").check()
    root.get_by_role("slider", name="Epoch").fill(str(data["epochs"].index(epoch)))
    root.get_by_role("radio", name="product" if score == "product" else "norm").check()
    root.get_by_role("slider", name="Width").fill(str(data["widths"].index(width)))
    root.get_by_role("slider", name="Threshold").fill(str(data["thresholds"].index(value)))


def settings(data, count: int) -> Iterator[tuple[int, int, str, float]]:
    """Seeded draws of a width, an epoch, a score, and a threshold; by the product the epoch is the last."""
    draw = random.Random(5)
    for _ in range(count):
        score = draw.choice(["incoming", "product"])
        epoch = data["epochs"][-1] if score == "product" else draw.choice(data["epochs"])
        yield draw.choice(data["widths"]), epoch, score, draw.choice(data["thresholds"][: data["offered"]])


def differences(page, data, grid, count: int) -> Iterator[str]:  # noqa: F811
    """Where the page's counts, in its state, its drawings or its sentence, are not those of `effective_size`."""
    seen = set()
    for width, epoch, score, value in settings(data, count):
        choose(page.locator(".live"), data, width, epoch, score, value)
        state = page.evaluate(STATE)
        assert {name: state[name] for name in ("width", "epoch", "score", "threshold")} == {
            "width": width,
            "epoch": epoch,
            "score": score,
            "threshold": value,
        }
        drawn = page.locator(".live .count").all_text_contents()
        sentence = page.locator(".live-readout p").first.inner_text()
        assert sentence.startswith(f"{width:,} nodes wide: ")
        said = re.findall(r"([\d,]+)(?:,| and|;)", sentence.split(": ")[1])
        for place, student in enumerate(data["students"]):
            result = grid[student["role"], width]
            scores = result.product if score == "product" else result.history.scores[data["epochs"].index(epoch)]
            sizes = effective_size(scores, value)
            shown = state["counts"][student["role"]]
            if not (f"{shown:,}" == drawn[place] == said[place] and shown == int(sizes[0])):
                yield f"{student['role']} {width} {epoch} {score} {value}: {shown}, not {int(sizes[0])}"
            if abs(state["means"][student["role"]] - float(sizes.double().mean())) > 1e-9:
                yield f"mean of {student['role']} {width} {epoch} {score} {value}"
            seen.add(student["role"])
    assert seen == set(STUDENTS)


def test_counts_on_the_page_are_those_of_effective_size(page, data, grid, address):  # noqa: F811
    with shown(page, address):
        assert list(differences(page, data, grid, 20)) == []


@pytest.mark.parametrize(
    "fault",
    [
        ("thresholds.length - choice.threshold", "thresholds.length - choice.threshold - 1"),
        ("student[of].product[width]", "student[of].incoming[width][LAST]"),
        ("student[of].incoming[width][epoch]", "student[of].incoming[width][LAST]"),
        ('size(student, "one", chosen)', 'size(student, "all", chosen)'),
    ],
    ids=["next threshold", "other score", "other epoch", "all students"],
)
def test_a_fault_of_the_script_is_found(page, data, grid, tmp_path, fault):  # noqa: F811
    path = write(tmp_path / "page", "threshold", data, fault)
    with shown(page, path):
        assert next(differences(page, data, grid, 20), None)


def test_a_node_too_many_in_the_data_is_found(page, data, grid, tmp_path):  # noqa: F811
    altered = copy.deepcopy(data)
    for width in altered["students"][0]["one"]["incoming"]:
        for counts in width:
            counts[0] += 1
    path = write(tmp_path / "page", "threshold", altered)
    with shown(page, path):
        found = list(differences(page, altered, grid, 4))
    assert found
    assert all(text.startswith("spectral") for text in found)


def test_what_it_says(page, data, grid, address):  # noqa: F811
    with shown(page, address):
        choose(page.locator(".live"), data, 200, data["epochs"][-1], "incoming", 0.05)
        kept, moved, other = page.locator(".live-readout p").all_inner_texts()

        def size(role, value=0.05, score="incoming"):
            return int(effective_size(grid[role, 200].by(score), value)[0])

        means = [f"{effective_size(grid[role, 200].scores).double().mean():.1f}" for role in threshold.KINDS]
        assert kept == (
            f"200 nodes wide: spectral keeps {size('spectral')}, group lasso {size('lasso')}, "
            f"same settings {size('matched')} and published {size('published')}; the teacher has 20. "
            f"Means over 30 such students are {', '.join(means[:-1])} and {means[-1]}."
        )
        assert f"same settings falls from {size('matched', 0.001)} to {size('matched', 0.1)}" in moved
        assert f"group lasso stays at {size('lasso', 0.1)}" in moved
        assert f"same settings {size('matched', score='product')} and" in other
        choose(page.locator(".live"), data, 200, 126, "incoming", 0.05)
        assert "at the last epoch" in page.locator(".live-readout p").last.inner_text()


def test_by_the_product_there_is_no_epoch_to_choose(page, data, address):  # noqa: F811
    """And the page says why; back at the norm there is."""
    with shown(page, address):
        epoch = page.get_by_role("slider", name="Epoch")
        epoch.fill("3")
        page.get_by_role("radio", name="product").check()
        assert epoch.is_disabled()
        assert page.evaluate(STATE)["epoch"] == data["epochs"][-1]
        assert "the product is stored of the last only" in page.locator(".live-slide.epoch").inner_text()
        page.get_by_role("radio", name="norm").check()
        assert epoch.is_enabled()
        assert "product" not in page.locator(".live-slide.epoch").inner_text()


def test_the_keyboard_reaches_and_moves_everything(page, address):  # noqa: F811
    with shown(page, address):
        before = page.evaluate(STATE)
        for kind, key, label, what in (
            ("range", "ArrowRight", "Threshold", "threshold"),
            ("radio", "ArrowRight", "norm", "score"),
            ("range", "ArrowRight", "Width", "width"),
        ):
            page.keyboard.press("Tab")
            reached, words, seen = page.evaluate(FOCUS)
            assert (reached, seen) == (kind, True)
            assert words.startswith(label)
            page.keyboard.press(key)
            after = page.evaluate(STATE)
            assert {name for name in ("threshold", "score", "width") if after[name] != before[name]} == {what}
            before = after
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowLeft")  # back to the norm, so that there is an epoch to choose
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS)[1].startswith("Epoch")
        page.keyboard.press("Home")
        after = page.evaluate(STATE)
        assert (after["epoch"], after["score"]) == (0, "incoming")
        assert set(after["counts"].values()) == {after["width"]}
        spoken = page.locator("input[type=range]").evaluate_all("all => all.map(one => one.ariaValueText)")
        assert spoken == [f"{after['threshold']}", f"{after['width']} nodes", "0"]


def test_the_line_is_dragged(page, data, address):  # noqa: F811
    """In any of the drawings, and with it goes the slider; a press below the bars is none."""
    with shown(page, address):
        drawing = page.locator(".live-facets svg").nth(2)
        drawing.scroll_into_view_if_needed()
        box = drawing.bounding_box()
        scale = box["width"] / 170
        page.mouse.move(box["x"] + 80 * scale, box["y"] + 110 * scale)
        page.mouse.down()
        pressed = page.evaluate(STATE)["threshold"]
        page.mouse.move(box["x"] + 80 * scale, box["y"] + 75 * scale)
        page.mouse.up()
        dragged = page.evaluate(STATE)["threshold"]
        assert pressed < 0.02 < 0.1 < dragged
        assert page.get_by_role("slider", name="Threshold").input_value() == str(data["thresholds"].index(dragged))
        page.mouse.click(box["x"] + 80 * scale, box["y"] + 220 * scale)
        assert page.evaluate(STATE)["threshold"] == dragged


def test_two_on_a_page_do_not_know_each_other(page, data, tmp_path):  # noqa: F811
    path = write(tmp_path / "page", "threshold", data, times=2)
    with shown(page, path):
        first, second = (page.locator(".live").nth(index) for index in range(2))
        first.get_by_role("radio", name="product").check()
        second.get_by_role("slider", name="Width").fill("7")
        assert second.get_by_role("radio", name="norm").is_checked()
        states = page.evaluate("[...document.querySelectorAll('.live')].map(({state}) => [state.width, state.score])")
        assert page.locator("[id]").count() == 0
    assert states == [[200, "product"], [1000, "incoming"]]


LINES = ".mean, .axis, .guide, .teacher, .bar line"
AREAS = ".above:not(.nodes), .point, .bar circle"


@pytest.mark.parametrize("width", [WIDE, NARROW, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(page, data, address, width, scheme):  # noqa: F811
    """Text of 9 px at least, told from its ground and not on other text; nothing beside the screen."""
    with shown(page, address, width=width):
        colour(page, scheme)
        for choice in settings(data, 10):
            choose(page.locator(".live"), data, *choice)
            assert unreadable(page, lines=LINES, areas=AREAS) == {}


@pytest.mark.parametrize(
    ("kind", "style"),
    [
        ("small", ".live text { font-size: 5px !important }"),
        ("pale", ".live p { color: #bbb !important }"),
        ("pale", ".live .axis { stroke: #ddd !important }"),
        ("pale", ".live .point, .live .bar circle { fill: #ddd !important }"),
        ("laid", ".live svg text { font-size: 40px !important }"),
        ("wide", ".live { width: 2000px !important; max-width: none !important }"),
        ("outside", ".live label { position: relative; left: -3000px }"),
    ],
)
def test_what_cannot_be_read_is_found(page, address, kind, style):  # noqa: F811
    with shown(page, address):
        page.add_style_tag(content=style)
        assert kind in unreadable(page, lines=LINES, areas=AREAS)


def test_colours_are_those_of_the_roles():
    """In both schemes; only the group lasso's yellow is darker here on white, since a thin line has to be seen."""
    style = (STATIC / "live.css").read_text()
    for role in threshold.KINDS:
        light, night = re.findall(rf"--live-{role}: (#[0-9a-f]+);", style)
        assert night == dark(ROLES[role].colour.lower())
        assert role == "lasso" or light == ROLES[role].colour.lower()


def test_nothing_is_animated():
    scripts = "".join((STATIC / name).read_text() for name in ("live.js", "live-threshold.js", "live.css"))
    assert not re.search(r"animat|transition|setTimeout|setInterval", scripts)


def test_without_its_script_and_in_print_it_is_hidden(page, address):  # noqa: F811
    with shown(page, address):
        assert page.locator(".live").is_visible()
        page.emulate_media(media="print")
        assert not page.locator(".live").is_visible()
        page.emulate_media(media="screen")
        page.evaluate("document.querySelector('.live').classList.remove('ready')")
        assert not page.locator(".live").is_visible()


def test_a_browser_without_scripts_shows_nothing_of_it(browser, address):  # noqa: F811
    with browser.new_context(offline=True, java_script_enabled=False) as context:
        bare = context.new_page()
        bare.goto(address.as_uri())
        assert not bare.locator(".live").is_visible()
