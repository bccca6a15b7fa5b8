"""The live page in Chromium: its numbers are the library's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from book.photographs import photograph
from drn_lib import localization
from tests.site.live.site import ask_worker, contrasts, difference, native


@pytest.mark.slow
def test_chromium_computes_what_onnxruntime_computes(running, live):
    """Every class's map, and every level's channel of highest mean; a cup and pure noise, three sizes."""
    noise = np.random.default_rng(6).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pictures = [noise, *(photograph("coffee", size).permute(1, 2, 0).numpy() for size in (224, 448))]
    for picture, answers in zip(pictures, ask_worker(running.page, live, pictures), strict=True):
        for answer, outputs in zip(answers, native(live, picture), strict=True):
            assert difference(answer, outputs) < 1e-4


@pytest.mark.slow
def test_the_comparison_can_fail(running, live):
    """One grey level of one pixel's change is more than the difference between the two runtimes."""
    picture = photograph("coffee", 64).permute(1, 2, 0).numpy()
    (answers,) = ask_worker(running.page, live, [picture])
    changed = picture.copy()
    changed[32, 32] ^= 8
    assert difference(answers[1], native(live, changed)[1]) > 1e-4


@pytest.mark.slow
def test_names_and_boxes_are_the_library_s(running):
    """Random maps, some with ties, some thresholds that leave nothing: the JavaScript answers as drn_lib does."""
    draw = np.random.default_rng(7)
    cases = []
    for _ in range(300):
        classes, rows, columns = (int(n) for n in draw.integers(1, 7, 3))
        values = draw.normal(0, 2, (classes, rows, columns)).astype(np.float32)
        values = np.round(values) if draw.random() < 0.4 else values
        threshold = float(draw.choice([-1e9, draw.normal(0, 2), float(values.flat[0]), 9.0]))
        size = [8 * rows - int(draw.integers(0, 8)), 8 * columns - int(draw.integers(0, 8))]
        cases.append({"values": values, "index": int(draw.integers(classes)), "threshold": threshold, "size": size})
    found = running.page.evaluate(
        """async ({ module, cases }) => {
          const { box, evidence, pooledLogits, softmax } = await import(module);
          return cases.map(({ values, shape: [classes, rows, columns], index, threshold, size }) => {
            const scores = { values: Float32Array.from(values), classes, rows, columns };
            const boxed = box(evidence(scores, index), scores, threshold, 8, size);
            return { box: boxed?.edges ?? null, shares: softmax(pooledLogits(scores)) };
          });
        }""",
        {
            "module": running.page.evaluate("new URL('../_static/live/answer.mjs', location).href"),
            "cases": [
                {**case, "values": case["values"].ravel().tolist(), "shape": case["values"].shape} for case in cases
            ],
        },
    )
    nothing = 0
    for case, ours in zip(cases, found, strict=True):
        scores, classes = torch.from_numpy(case["values"])[None], torch.tensor([case["index"]])
        wanted = localization.boxes(scores, classes, case["threshold"], tuple(case["size"]), jump=8)[0]
        nothing += bool(wanted.isnan().any())
        assert ours["box"] == (None if wanted.isnan().any() else wanted.tolist()), case
        shares = localization.pooled_logits(scores).double().softmax(dim=1)[0]
        assert ours["shares"] == pytest.approx(shares.tolist(), abs=1e-6)
    assert 50 < nothing < 250


@pytest.mark.slow
def test_the_grid_contrast_is_the_library_s(running):
    """Random maps of all sides, some with a lattice, some constant, some too small: as drn_lib computes it."""
    draw = np.random.default_rng(8)
    cases = []
    for number in range(200):
        channels, rows, columns = int(draw.integers(1, 5)), *(int(n) for n in draw.integers(5, 21, 2))
        maps = draw.normal(float(draw.normal()), 1, (channels, rows, columns))
        period = (2, 4)[number % 2]
        maps[:, ::period, ::period] += 3 * (number % 3)
        maps *= draw.uniform(0, 3, (channels, 1, 1)) * (number % 10 != 0)
        cases.append((maps + (number % 20 == 0)).astype(np.float32))
    found = running.page.evaluate(
        """async ({ module, cases }) => {
          const { gridContrast } = await import(module);
          return cases.map(({ values, shape }) => gridContrast(Float32Array.from(values), ...shape));
        }""",
        {
            "module": running.page.evaluate("new URL('../_static/live/grid.mjs', location).href"),
            "cases": [{"values": maps.ravel().tolist(), "shape": maps.shape} for maps in cases],
        },
    )
    strong = 0
    for maps, ours in zip(cases, found, strict=True):
        wanted = contrasts(maps)
        assert ours == (wanted and pytest.approx(wanted, abs=1e-9)), maps.shape
        strong += bool(wanted and max(wanted) > 0.3)
    assert found.count(None) > 20 and strong > 20
