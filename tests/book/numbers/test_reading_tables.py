"""Tables of what was predicted of networks that were only read."""

from book import ROOT
from book.numbers.tables import readings
from book.studies import files
from book.studies.evidence import lite0
from book.studies.intervals import Interval


def cells(table: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in table.replace("\u00a0", " ").splitlines()]
    return [line for place, line in enumerate(lines) if place != 1]


def test_each_prediction_of_the_grid_stands_alone_and_with_seed_0():
    header, *lines = cells(readings.grid())
    assert header[1:4] == ["seeds 1 and 2", "over these seeds only", "verdict"] and len(lines) == 16
    level_6 = next(line for line in lines if line[0] == "DRN-C-26, level 6 − level 4")
    assert level_6[1].startswith("−0.012 [") and level_6[4].startswith("−0.014 [")
    assert (level_6[3], level_6[5]) == ("not resolved", "against the prediction")
    assert lines[1][0] == "DRN-B-26, score map − DRN-C-26, score map" and lines[1][2].startswith("[−")
    assert [line[0] for line in lines if "period 2" in line[0]] == [
        f"DRN-C-26, level 7 − level {other}, period 2" for other in (6, 8)
    ]


def test_the_score_maps_by_both_candidates():
    _, a, b, c = cells(readings.grid_maps())
    assert [line[0] for line in (a, b, c)] == ["DRN-A-18", "DRN-B-26", "DRN-C-26"]
    for column in range(1, 5):
        values = [float(line[column].partition(" ")[0].replace("−", "-")) for line in (a, b, c)]
        assert values == sorted(values, reverse=True)
    assert a[1].startswith("0.100 [") and a[2].startswith("0.103 [") and a[3] == "0.088"


def test_the_imagenet_network_and_what_its_plan_does_not_state():
    _, *lines = cells(readings.imagenet())
    found = {line[0]: line[1:] for line in lines}
    exact, fits, lattice = lines[:3]
    assert exact[1:4] == ["below 10⁻¹²", "2 × 10⁻¹⁶", "–"] and lattice[1:3] == ["on every photograph", "9 of 9"]
    assert fits[2:5] == ["2 of 5 and 3 of 5", "5 photographs", "not stated"]
    pets = found["pixel average precision, %: *exact*, output stride 8 − as trained"]
    assert pets[0] == "< 0" and pets[2:5] == ["298 photographs", "1.3", "< 0.01"]
    thin = found["thin classes minus mean IoU, %: *exact*, output stride 8 − as trained"]
    assert thin[2:4] == ["5 probes", "not stated"] and thin[5] == "against the prediction"


def test_what_was_not_measured_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "results_dir", lambda: tmp_path)
    assert readings.imagenet() == "*A real ImageNet network: not yet measured.*"


def test_a_row_without_p_has_a_dash():
    row = lite0.Row("pixel_ap", ("exact_8", "as_trained"), "less", Interval(-1.0, -2.0, 0.5, 298, ""))
    assert readings._cells(row)[-2:] == ["–", "not resolved"]


def test_the_page_says_how_many_predictions_failed_in_words():
    page = (ROOT / "book" / "predictions.md").read_text(encoding="utf-8")
    sections = page.split("\n## ")
    for title in ("The measure of a grid", "A real ImageNet network"):
        (section,) = [one for one in sections if one.startswith(title)]
        assert "**One prediction failed.**" in section and "exclude" in section
