"""One quick measurement, for all tests of what is measured and of how it is shown."""

from typing import Any

import pytest
import torch

from spectral.bench.measure import bench


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> tuple[dict[str, Any], list[str]]:
    """A quick result, and what was reported on the way; its store is empty before and after."""
    folder, said = tmp_path_factory.mktemp("store"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECTRAL_STORE", str(folder / "local"))
        patch.setenv("SPECTRAL_RESULTS", str(folder / "committed"))
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        result = bench(True, said.append)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert list((folder / "local").iterdir()) == []
    return result, said
