"""The figures of chapters 01 and 02 show what `geometry`, the tables and the running modules say."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Arc, Rectangle

from book.figures import arithmetic as figures
from book.figures.networks import conv_records, level_diagram, stride_diagram
from book.figures.style import ACCENT
from drn_lib import geometry
from drn_lib.architecture import architecture
from drn_lib.geometry.axis import Layer
from drn_lib.network import create_model


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


class TestLevelDiagram:
    def boxes(self, figure):
        """(left, bottom) of each convolution's outline."""
        return [p.get_xy() for p in figure.axes[0].patches if isinstance(p, Rectangle) and not p.get_fill()]

    @pytest.mark.parametrize("name", ["drn_a_18", "drn_b_26", "drn_c_26", "drn_d_22", "drn_c_58"])
    def test_a_box_for_each_convolution_and_an_arc_for_each_residual_block(self, name):
        figure, table = level_diagram([name]), architecture(name)
        assert len(self.boxes(figure)) == table.depth - 1  # the classifier is not drawn
        arcs = [patch for patch in figure.axes[0].patches if isinstance(patch, Arc)]
        assert len(arcs) == sum(level.blocks for level in table.levels if level.residual)

    def test_the_dilations_are_those_of_the_table_under_each_rule(self):
        for rule, expected in [("exact", "1222" + "2444"), ("levels", "2222" + "4444"), ("released", "1122" + "1144")]:
            shown = [text for text in texts(level_diagram([architecture("drn_a_18", rule)]).axes[0]) if len(text) == 1]
            assert "".join(shown).startswith("1" + "1111" + "1111" + expected), rule  # stem, levels 3 to 6

    def test_three_halvings_each(self):
        ax = level_diagram(["drn_a_18", "drn_b_26", "drn_c_26"]).axes[0]
        bars = [line for line in ax.lines if to_hex(line.get_color()) == ACCENT]
        assert len(bars) == 9
        assert sum(line.get_linestyle() != "-" for line in bars) == 1  # the max pooling of A

    def test_levels_stand_in_one_column(self):
        a, c = (sorted({x for x, _ in self.boxes(level_diagram([n, "drn_c_26"]))}) for n in ("drn_a_18", "drn_c_26"))
        assert a == c


class TestStrideDiagram:
    @pytest.fixture
    def rows(self):
        with torch.device("meta"):
            image = torch.empty(1, 3, 224, 224)
            return {name: conv_records(create_model(name), image) for name in ("resnet_18", "drn_a_18")}

    def test_records_are_those_of_the_table(self, rows):
        for name, records in rows.items():
            seen = {r.name: (r.kernel, r.stride, r.dilation, r.shape[1:]) for r in records}
            for row in geometry.table(name, 224).rows:
                layer = row.layer
                if layer.kind == "convolution":
                    assert seen[row.name] == (layer.kernel, layer.stride, layer.dilation, row.size)

    def test_multiply_adds_of_the_paper_and_no_hook_left(self, rows):
        totals = {name: sum(record.multiply_adds for record in records) for name, records in rows.items()}
        assert round(totals["resnet_18"] / 1e9, 2) == 1.81 and round(totals["drn_a_18"] / 1e9, 2) == 9.21
        model = create_model("resnet_18", width=0.125).eval()
        conv_records(model, torch.zeros(1, 3, 32, 32))
        assert not any(module._forward_hooks for module in model.modules())

    def test_one_image_is_counted_whatever_the_batch(self):
        with torch.device("meta"):
            model = create_model("resnet_18", width=0.25)
            one, four = (conv_records(model, torch.empty(n, 3, 64, 64)) for n in (1, 4))
        assert [record.multiply_adds for record in one] == [record.multiply_adds for record in four]

    def test_what_is_drawn(self, rows):
        tails = [(name, [r for r in records if r.kernel == 3][-9:]) for name, records in rows.items()]
        ax = stride_diagram(tails).axes[0]
        dilations = [text[4:] for text in texts(ax) if text.startswith("d = ")]
        assert dilations == list("1" * 9 + "112222444")
        sides = [patch.get_width() for patch in ax.patches][::2]
        assert sides[9:] == [sides[0]] * 9 and sides[8] == pytest.approx(sides[0] / 4)


class TestArithmetic:
    def test_same_view_marks_one_field_for_both_networks(self):
        places = {name: geometry.table(name, 224).levels[6] for name in ("resnet_18", "drn_a_18")}
        figure = figures.same_view(np.zeros((224, 224, 3), np.uint8), places, 128)
        boxes = [[patch.get_bbox().bounds for patch in ax.patches] for ax in figure.axes]
        assert boxes[0][1] == boxes[1][1] == (-89, -89, 435, 435)
        assert [cells[0][2] for cells in boxes] == [32, 8]

    def test_nine_taps_at_every_dilation(self):
        for ax, extent in zip(figures.kernel_taps([1, 2, 4]).axes, (3, 5, 9)):
            across = [p.get_x() for p in ax.patches if p.get_fill() and to_hex(p.get_facecolor()) == ACCENT]
            assert len(across) == 9 and max(across) - min(across) == extent - 1

    def test_both_chains_reach_the_same_input_cells(self):
        strided = [Layer("a", 3, stride=2, padding=1), Layer("b", 3, padding=1)]
        dilated = [Layer("a", 3, padding=1), Layer("b", 3, dilation=2, padding=2)]
        for ax in figures.chains({"strided": strided, "dilated": dilated}, 16, 8).axes:
            points = [line for line in ax.lines if line.get_marker() == "o" and to_hex(line.get_color()) == ACCENT]
            assert sorted(x for line in points for x, y in line.get_xydata() if y == 0) == [5, 6, 7, 8, 9, 10, 11]

    def test_holes_are_drawn_where_there_is_no_path(self):
        rows = {str(ds): [Layer("", 3, dilation=d, padding=d) for d in ds] for ds in [(1, 1, 1), (2, 2, 2), (1, 2, 4)]}
        axes = figures.reach_bars(rows).axes
        assert [len(ax.patches) for ax in axes] == [7, 7, 15]
        assert [len(ax.lines) for ax in axes] == [0, 6, 0]

    def test_stride_steps_fill_the_cells_of_the_first_version_and_keep_its_reach(self):
        kinds = {
            "strided": ((2, 1), (1, 1)),
            "bare": ((1, 1), (1, 1)),
            "dilated": ((1, 1), (1, 2)),
            "more": ((1, 1), (1, 4)),
        }
        columns = {title: [Layer("a", 3, S, d, d) for S, d in rows] for title, rows in kinds.items()}
        axes = figures.stride_steps(columns, size=17, pixel=8).axes
        found = []
        for ax in axes:
            dots = [line for line in ax.lines if line.get_marker() == "o"]
            open_dots = sum(line.get_fillstyle() == "none" for line in dots)
            reached = sum(line.get_ydata()[0] == 0 and line.get_color() == ACCENT for line in dots)
            found.append((len(dots), open_dots, reached))
        assert found == [(35, 0, 7), (51, 16, 5), (51, 16, 7), (51, 16, 9)]
        assert [len(ax.texts) for ax in axes] == [3, 0, 3, 0]

    def test_fields_frame_the_middle(self):
        figure = figures.fields({"resnet_18": np.ones((641, 641))}, {"resnet_18": 435})
        frame, inner = figure.axes[0].patches
        assert frame.get_x() + frame.get_width() / 2 == 320 and frame.get_width() == 435
        assert inner.get_x() + inner.get_width() / 2 == 320 and 4 * inner.get_width() ** 2 == 435**2

    def test_kept_positions_are_every_fourth(self):
        dense = np.arange(784.0).reshape(28, 28)
        axes = figures.kept_positions(dense[::4, ::4], dense, ["a", "b", "c"]).axes
        assert len(axes[1].patches) == 49
        assert np.array_equal(axes[0].images[0].get_array(), axes[2].images[0].get_array())
        assert len({ax.images[0].get_clim() for ax in axes}) == 1  # one range of greys for all three

    def test_cost_bars_are_as_high_as_the_costs(self):
        ax = figures.cost_bars({"resnet_18": {5: 1.0, 6: 2.0}, "drn_a_18": {5: 4.0, 6: 32.0}}).axes[0]
        assert [patch.get_height() for patch in ax.patches] == [1, 2, 4, 32]
