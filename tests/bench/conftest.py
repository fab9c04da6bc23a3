"""One quick measurement, for all tests of what is measured and of how it is shown."""

import json
import os
from typing import Any

import pytest
import torch
from filelock import FileLock

from spectral.bench.measure import bench


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> tuple[dict[str, Any], list[str]]:
    """A quick result as it is kept, and what was reported on the way: made once, whatever processes ask for it."""
    base = tmp_path_factory.getbasetemp()
    file = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "quick.json"
    with FileLock(f"{file}.lock"):
        if not file.exists():
            file.write_text(json.dumps(measured(tmp_path_factory.mktemp("store"))))
    result, said = json.loads(file.read_text())
    return result, said


def measured(folder) -> tuple[dict[str, Any], list[str]]:
    """With a store that is empty before and after."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECTRAL_STORE", str(folder / "local"))
        patch.setenv("SPECTRAL_RESULTS", str(folder / "committed"))
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        result = bench(True, said.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert list((folder / "local").iterdir()) == []
    return result, said
