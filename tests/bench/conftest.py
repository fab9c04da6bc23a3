"""One quick measurement, for all tests of what is measured and of how it is shown."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rendered import made_once

from spectral.bench.measure import bench


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> tuple[dict[str, Any], list[str]]:
    """A quick result as it is kept, and what was reported on the way: made once, whatever processes ask for it."""
    result, said = json.loads((made_once(tmp_path_factory, "quick", measure) / "quick.json").read_text())
    return result, said


def measure(folder: Path) -> None:
    """With a store that is empty before and after."""
    folder.mkdir(exist_ok=True)
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECTRAL_STORE", str(folder / "local"))
        patch.setenv("SPECTRAL_RESULTS", str(folder / "committed"))
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        result = bench(True, said.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert list((folder / "local").iterdir()) == []
    (folder / "quick.json").write_text(json.dumps([result, said]))
