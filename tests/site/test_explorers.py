"""The explorers' data and numbers against the library; the numbers are computed in Chromium."""

from __future__ import annotations

import io
import random
import re

import numpy as np
import pytest
import tomllib
import torch
from PIL import Image

from book.cells.gridding import lattices, tile
from book.explorers import data, networks
from book.explorers.threshold import data as threshold_data
from book.extensions import explorers
from book.figures import style
from book.photographs import photograph
from drn_lib import geometry
from drn_lib.geometry.axis import Layer
from tests.notebooks import chapters
from tests.site.explorers import DATA, FOLDER, MOST_BYTES, PAGES, grid_shares, library_stages, sizes

# ------------------------------------------------------------------------------------------------ files and data


def test_the_files_are_what_the_library_says():
    assert data.refresh(check=True) == []


def test_a_stale_file_and_a_missing_picture_are_named(tmp_path, monkeypatch):
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    (tmp_path / "gridding.json").write_text("{}")
    (tmp_path / "photograph.webp").unlink()
    problems = data.refresh(check=True)
    assert len(problems) == 2 and "gridding.json" in problems[0] and "photograph.webp" in problems[1]
    data.refresh(check=False)
    assert data.refresh(check=True) == []


def test_without_torch_nothing_is_touched_and_a_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    assert data.refresh(check=True) == []
    assert "torch" in capsys.readouterr().out


def test_the_pictures_are_the_library_s():
    originals = {name: picture.image for name, picture in threshold_data.pictures().items()}
    originals["photograph"] = photograph(data.PHOTOGRAPH)
    for name, original in originals.items():
        stored = Image.open(io.BytesIO((FOLDER / f"{name}.webp").read_bytes())).convert("L")
        wanted = np.asarray(Image.fromarray(original.permute(1, 2, 0).numpy()).convert("L"), dtype=float)
        assert np.abs(np.asarray(stored, dtype=float) - wanted).mean() < 6, name


def test_they_are_small():
    found = sizes()
    stills = [name for name in found if name.endswith(".svg")]
    assert sum(size for name, size in found.items() if name not in stills) < MOST_BYTES
    assert max(found[name] for name in stills) < 4_500  # a page has one of them; its words are in it


def test_they_ask_no_other_host():
    for path in FOLDER.iterdir():
        if path.suffix != ".webp":
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"https?://|url\(\s*['\"]?//", text), path.name


def test_the_style_has_the_book_s_accent():
    assert f"--explorer-accent: {style.ACCENT};" in (FOLDER / "explorers.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("network", networks.variants().values(), ids=lambda network: network.name)
def test_the_blocks_are_the_network_s_layers(network):
    rows = [
        tuple(row) for _, *blocks in networks.level_blocks(network) for times, *block in blocks for row in block * times
    ]
    assert rows == [(layer.kernel, layer.stride, layer.dilation) for layer in geometry.layers(network)]
    numbers = [number for number, *_ in networks.level_blocks(network)]
    assert numbers == list(geometry.table(network).levels)


def test_versions_of_a_network():
    """A ResNet with dilation is DRN-A, DRN-A with strides is the ResNet, and with neither a cell sees less."""
    found = networks.variants()
    resnet, drn = found["resnet_18"], found["drn_a_18"]
    assert networks.version(resnet, "dilation").levels == drn.levels
    assert networks.version(drn, "stride").levels == resnet.levels
    neither = geometry.table(networks.version(drn, "neither"), 224).levels[6]
    assert neither.size == (28, 28) and neither.receptive_field < geometry.receptive_field(drn)


# ---------------------------------------------------------------------------------------------------- in chapters


@pytest.mark.parametrize(("place", "chapter"), PAGES.items())
def test_a_chapter_says_in_plain_markdown_where_its_explorer_is(place, chapter):
    """On Colab the cell asks and has one link, to the rendered page, in a paragraph of its own."""
    sources = [s for s in chapters.markdown(chapters.read(chapters.ROOT / "notebooks" / f"{chapter}.ipynb"))]
    found = [source for source in sources if f"<!-- explorer:{place} -->" in source]
    assert len(found) == 1 and explorers.MARKER.findall(found[0]) == [place]
    address = tomllib.loads((chapters.ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    owner, repository = address.removeprefix("https://github.com/").split("/")
    tokens = chapters.tokens(found[0])
    links = [token.attrGet("href") for token in tokens if token.type == "link_open"]
    assert links == [f"https://{owner}.github.io/{repository}/notebooks/{chapter}.html#explorer-{place}"]
    html = [token.content for token in tokens if token.type in ("html_inline", "html_block")]
    assert html == [f"<!-- explorer:{place} -->"]
    question, way = [token.content for token in tokens if token.type == "inline"][:2]
    assert question.startswith("**Try it.**") and question.endswith("?") and question.count("?") == 1
    assert way.startswith("The book's page has [an explorer for this]")


def test_every_place_has_a_chapter_and_an_unknown_place_is_an_error():
    assert list(PAGES) == list(data.PLACES)
    with pytest.raises(ValueError, match="receptive-01"):
        explorers.figure("receptive-99", "../")


# ---------------------------------------------------------------------------------- numbers, computed in Chromium


def random_stack(draw: random.Random, same: bool = False) -> list[dict]:
    """Layers as the pages write them; with `same` of odd kernels that keep the size, some with a residual."""
    layers = []
    for _ in range(draw.randint(1, 6)):
        k, d = draw.choice((1, 3, 5, 7) if same else (1, 2, 3, 4, 5, 7)), draw.randint(1, 4)
        p = d * (k // 2) if same else draw.randint(0, 4)
        residual = same and draw.random() < 0.4
        layers.append({"k": k, "s": draw.choice((1, 1, 2, 3)), "d": d, "p": p, "residual": residual})
    return layers


def as_layers(stack: list[dict]) -> list[Layer]:
    return [Layer(f"layer{i}", row["k"], row["s"], row["d"], row["p"]) for i, row in enumerate(stack)]


@pytest.mark.slow
def test_the_recurrences_are_the_library_s(modules):
    """Size, jump, first and last pixel, live share, reach: on random stacks; what does not fit is an error in both."""
    draw = random.Random(6)
    cases = [{"stack": random_stack(draw), "size": draw.randint(5, 70)} for _ in range(400)]
    found = modules(
        """return argument.map(({ stack, size }) => {
          try {
            const axes = geometry.axes(stack, size);
            const last = axes.at(-1);
            const cell = Math.floor(last.size / 2);
            const row = (a) => [a.size, a.jump, a.first, a.last, geometry.field(a), geometry.centre(a)];
            return { rows: axes.slice(1).map(row),
              live: stack.map((layer, i) => geometry.liveShare(axes[i].size, layer)),
              reach: [...geometry.reach(stack, cell, size)], edges: geometry.cellEdges(cell, last, size) };
          } catch (error) { return error instanceof RangeError ? "does not fit" : String(error); }
        });""",
        cases,
    )
    fits = 0
    for case, ours in zip(cases, found):
        chain = as_layers(case["stack"])
        try:
            rows = geometry.table(chain, case["size"]).rows
        except ValueError:
            assert ours == "does not fit", case
            continue
        fits += 1
        axes = [row.height for row in rows]
        assert ours["rows"] == [[a.size, a.jump, a.first, a.last, a.receptive_field, a.centre] for a in axes], case
        assert ours["live"] == pytest.approx([row.live_taps**0.5 for row in rows]), case
        cell = axes[-1].size // 2
        assert [tuple(pair) for pair in ours["reach"]] == list(geometry.reach(chain, cell, case["size"]).items()), case
        edges = geometry.cell_edges(cell, axes[-1].jump, case["size"], axes[-1].centre)
        assert tuple(ours["edges"]) == edges, case
    assert 200 < fits < 400


class Residual(torch.nn.Module):
    """A layer with weights of one, with its shortcut where it has one: strided as the layer, without weights beside."""

    def __init__(self, row: dict) -> None:
        super().__init__()
        options = {"bias": False, "dtype": torch.float64}
        self.conv = torch.nn.Conv2d(1, 1, row["k"], row["s"], row["p"], row["d"], **options)
        self.link = torch.nn.Conv2d(1, 1, 1, row["s"], **options) if row["residual"] else None
        for parameter in self.parameters():
            torch.nn.init.ones_(parameter)

    def forward(self, x):
        return self.conv(x) if self.link is None else self.conv(x) + self.link(x)


@pytest.mark.slow
def test_residuals_count_as_in_torch(modules):
    """Field, jump and size as `geometry.trace` reads them off the module; paths as the gradient counts them."""
    draw = random.Random(7)
    cases = [{"stack": random_stack(draw, same=True), "size": draw.randint(24, 48)} for _ in range(30)]
    found = modules(
        """return argument.map(({ stack, size }) => {
          const last = geometry.axes(stack, size).at(-1);
          return { last: [last.size, last.jump, last.first, last.last],
            reach: [...geometry.reach(stack, Math.floor(last.size / 2), size)] };
        });""",
        cases,
    )
    assert any(row["residual"] for case in cases for row in case["stack"])
    for case, ours in zip(cases, found):
        model = torch.nn.Sequential(*map(Residual, case["stack"]))
        axis = geometry.trace(model, case["size"], channels=1).modules[str(len(model) - 1)].height
        assert ours["last"] == [axis.size, axis.jump, axis.first, axis.last], case
        x = torch.zeros(1, 1, case["size"], case["size"], dtype=torch.float64, requires_grad=True)
        y = model(x)
        middle = y.shape[-1] // 2
        y[0, 0, middle, middle].backward()
        down, across = x.grad[0, 0].sum(1), x.grad[0, 0].sum(0)
        if not any(row["residual"] for row in case["stack"]):  # only then do the axes separate
            total = x.grad.sum().sqrt()
            assert dict(map(tuple, ours["reach"])) == pytest.approx(
                {i: (v / total).item() for i, v in enumerate(down.tolist()) if v}
            )
        assert [position for position, _ in ours["reach"]] == down.nonzero().flatten().tolist(), case
        assert torch.equal(down, across)


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 64])
def test_every_network_at_every_level(modules, size):
    """What the page says of each network, level and version against `geometry.table` of the same."""
    found = modules(
        """return Object.keys(argument.data.networks).map((name) => networks.KINDS.map(([kind]) => {
          const network = networks.network(argument.data, name, kind, []);
          return network.levels.map(({ number }) => {
            const seen = networks.look(network, { size: argument.size, level: number, back: 0, row: 40, column: 9 });
            const { axis, box, inPicture, live, cell } = seen;
            return [number, axis.size, axis.jump, axis.first, box.left, box.top, box.side, inPicture, live, cell];
          });
        }));""",
        {"data": DATA["receptive"], "size": size},
    )
    for (_, network), kinds in zip(networks.variants().items(), found, strict=True):
        built = networks.version(network, "dilation" if network.dilation_rule else "stride")
        assert built.levels == network.levels
        versions = [network, *(networks.version(network, kind) for kind in ("stride", "dilation", "neither"))]
        for table_of, levels in zip(versions, kinds, strict=True):
            table = geometry.table(table_of, size)
            assert [row[0] for row in levels] == list(table.levels)
            for number, cells, jump, first, left, top, side, inside, live, (row, column) in levels:
                place = table.levels[number]
                assert (cells, jump, first, side) == (place.size[0], place.jump, place.start, place.receptive_field)
                assert (left, top) == place.field_box(row, column)[:2]
                assert abs(row * jump - 40) <= jump / 2 or row == cells - 1
                share = [max(0, min(low + side, size) - max(low, 0)) / side for low in (left, top)]
                assert inside == pytest.approx(share[0] * share[1])
                wide = [made for made in table.rows if made.layer.kernel > 1 and level_of(made) <= number]
                assert live == pytest.approx(wide[-1].live_taps)


def level_of(row) -> int:
    """The level in which a layer stands; the pooling is the first of level 3, the stem stands before all."""
    first = row.name.split(".")[0]
    return int(row.name.split(".")[1]) if first == "levels" else {"pool": 3, "stem": 0}[first]


@pytest.mark.slow
def test_maps_and_what_is_left_of_a_grid_are_chapter_04_s(modules):
    draw = random.Random(8)
    cases = []
    for _ in range(40):
        layers = [
            {"d": draw.choice((1, 2, 4)), "link": draw.random() < 0.3, "relu": draw.random() < 0.5}
            for _ in range(draw.randint(0, 5))
        ]
        cases.append({"layers": layers, "input": draw.choice(("cell", "smooth", "rough"))})
    found = modules(
        """return argument.cases.map(({ layers, input }) => {
          const isCell = input === "cell";
          const start = isCell ? lattice.oneCell(28, 3, 20) : lattice.gridded(28, argument.tile, input === "rough");
          const maps = lattice.stages(start, 28, layers, !isCell);
          return { first: [...start], last: [...maps.at(-1)], shares: maps.map((map) => lattice.shares(map, 28)) };
        });""",
        {"cases": cases, "tile": DATA["gridding"]["lattice"]["tile"]},
    )
    for case, ours in zip(cases, found):
        start = torch.tensor(ours["first"], dtype=torch.float64).view(28, 28)
        maps = library_stages(start, case["layers"], wrap=case["input"] != "cell")
        torch.testing.assert_close(torch.tensor(ours["last"], dtype=torch.float64).view(28, 28), maps[-1])
        for (two, four), m in zip(ours["shares"], maps, strict=True):
            assert (two, four) == pytest.approx(grid_shares(m), abs=1e-9), case
    smooth = next(ours for case, ours in zip(cases, found) if case["input"] == "smooth")
    wave = torch.sin(2 * torch.pi * torch.arange(28).double() / 28)
    torch.testing.assert_close(
        torch.tensor(smooth["first"], dtype=torch.float64).view(28, 28),
        wave[:, None] + wave + tile(4, 28),
        atol=1e-5,
        rtol=0,
    )


def test_shares_of_a_grid_are_those_that_were_mixed():
    assert sum(grid_shares(lattices(3))) == pytest.approx(1)
    two, four = (torch.cos(2 * torch.pi * torch.arange(28).double() / p).expand(28, 28) for p in (2, 4))
    slow = torch.sin(2 * torch.pi * torch.arange(28).double() / 28).expand(28, 28)  # mean squares: 1, 1/2 and 1/2
    assert grid_shares(two + four + slow) == pytest.approx((0.5, 0.25))


@pytest.mark.slow
def test_what_repeats_at_its_ends(modules):
    """Of a constant nothing repeats, of a pure lattice all."""
    found = modules(
        """return [new Float64Array(784).fill(3), lattice.gridded(28, argument, false)
          .map((value, i) => argument[Math.floor(i / 28) % 4][i % 4])].map((map) => lattice.shares(map, 28));""",
        DATA["gridding"]["lattice"]["tile"],
    )
    assert found[0] == [0, 0] and sum(found[1]) == pytest.approx(1)
