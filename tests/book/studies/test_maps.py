"""What is read off maps without training: a fixed blur, and what the studies store of grids."""

import pytest
import torch

from book.studies import files, results
from book.studies.maps import blur
from drn_lib.gridding import grid_contrast, low_pass
from drn_lib.images import normalize
from drn_lib.network import create_model
from tests.library.gridding.drawn import lattices

KINDS = {end: kernels for end, kernels in blur.BLURS.items() if end}


@pytest.mark.parametrize("kernels", KINDS.values(), ids=KINDS)
def test_a_blur_removes_grids_of_both_periods_and_keeps_constants(kernels):
    """Away from the borders: 3 cells on each side see fewer cells."""
    torch.manual_seed(0)
    for period in (2, 4):
        lattice = lattices(5, (28, 28), period)[None]
        lattice = lattice - lattice[..., 4:24, 4:24].mean((-2, -1), keepdim=True)
        assert low_pass(lattice, *kernels)[..., 3:-3, 3:-3].abs().max() < 1e-12 < lattice.abs().max()
    constant = torch.full((2, 3, 8, 16), 0.7, dtype=torch.float64)
    assert torch.allclose(low_pass(constant, *kernels), constant, rtol=0, atol=1e-12)
    ramp = torch.arange(16.0).expand(1, 1, 8, 16)
    assert torch.allclose(low_pass(ramp, *kernels)[..., 3:-3], ramp[..., 3:-3], atol=1e-5), "it moves nothing"


def test_the_smooth_blur_is_two_layers_of_the_tail():
    """[1 2 1] / 4 at dilation 2, then at dilation 1, on a single 1."""
    one = torch.zeros(1, 1, 13, 13)
    one[..., 6, 6] = 1
    line = torch.tensor([1.0, 2, 3, 4, 3, 2, 1]) / 16
    assert torch.allclose(low_pass(one, *blur.BLURS["_smooth"])[0, 0, 3:10, 3:10], torch.outer(line, line))


class Drawn:
    """Nine random images of 64 px in three classes, with a box each."""

    classes, fingerprint = ["a", "b", "c"], "0" * 64

    def __init__(self, part):
        generator = torch.Generator().manual_seed(len(part))
        self.images = torch.randint(0, 256, (9, 3, 64, 64), generator=generator, dtype=torch.uint8)
        self.edges = torch.tensor([[0.0, 8, 40, 56], [0, 8, 24, 56], [30, 2, 64, 30]]).repeat(3, 1)

    def __len__(self):
        return 9

    def arrays(self):
        return self.images, torch.arange(9) % 3


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The folder of results of a tiny network, and the network."""
    folder, monkeypatch = tmp_path_factory.mktemp("results"), pytest.MonkeyPatch()
    torch.manual_seed(0)
    model = create_model("drn_a_18", 3, 0.125).eval()
    monkeypatch.setattr(files, "results_dir", lambda: folder)
    monkeypatch.setattr(blur, "load_trained", lambda name: model)
    monkeypatch.setattr(blur, "open_dataset", lambda name, part, **options: Drawn(part))
    monkeypatch.setattr(blur, "open_clutter", Drawn)
    blur.run("drn_a_18", 0)
    yield folder, model
    monkeypatch.undo()


def test_every_blur_is_a_run_of_its_own(measured):
    assert results.variants("blur") == ["drn_a_18", "drn_a_18_mean", "drn_a_18_smooth"]
    runs = {run.variant: run for run in results.runs("blur")}
    plain, smooth = runs["drn_a_18"].metrics, runs["drn_a_18_smooth"].metrics
    assert plain.keys() == smooth.keys() and plain != smooth and plain["clutter.n"] == 9
    (_, model), images = measured, Drawn("test").images
    with torch.no_grad():
        scores = model.score_map(normalize(images))
    kernels = blur.BLURS["_smooth"]
    for metrics, maps in ((plain, scores), (smooth, low_pass(scores, *kernels))):
        assert metrics["clutter.grid_contrast.period_4"] == pytest.approx(
            grid_contrast(maps, 4).mean().item(), abs=1e-3
        )
    assert results.are_paired("blur", "drn_a_18", "drn_a_18_smooth")
    difference = results.difference("blur", "drn_a_18_smooth", "drn_a_18", "clutter.pointing_error")
    assert difference.estimate == pytest.approx(smooth["clutter.pointing_error"] - plain["clutter.pointing_error"])


def test_a_run_that_is_there_is_not_measured_again(measured, monkeypatch):
    before = {file.name: file.read_bytes() for file in measured[0].rglob("*.json")}
    assert len(before) == 3
    monkeypatch.setattr(blur, "load_trained", lambda name: pytest.fail("measured again"))
    blur.run("drn_a_18", 0)
    assert before == {file.name: file.read_bytes() for file in measured[0].rglob("*.json")}
