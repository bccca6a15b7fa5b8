"""On a phone a wide figure scrolls in its own box, with letters that can be read."""

import struct

import pytest

from book.extensions.wide_figures import FITS, SIGNATURE, boxed, png_size

CELL = '<div class="cell_output docutils container">\n<img alt="A map" src="../_images/{}.png" />\n</div>'


@pytest.fixture
def png(tmp_path):
    def make(width: int):
        path = tmp_path / f"{width}.png"
        path.write_bytes(SIGNATURE + b"\0\0\0\rIHDR" + struct.pack(">II", width, 300) + b"the rest")
        return path

    return make


def test_the_size_of_a_png_is_in_its_header(png, tmp_path):
    assert png_size(png(729)) == (729, 300)
    for content in (b"", SIGNATURE, b"GIF89a" + bytes(30)):
        (tmp_path / "other.png").write_bytes(content)
        with pytest.raises(ValueError, match="other.png is no PNG"):
            png_size(tmp_path / "other.png")


def test_only_what_a_cell_drew_too_wide_for_a_phone_gets_a_box(png):
    files = {f"{width}.png": png(width) for width in (FITS, FITS + 1)}
    assert boxed(CELL.format(FITS), files) == CELL.format(FITS).replace(" />", f' width="{FITS}" height="300">')
    assert f'<div class="output wide-figure"><img alt="A map" src="../_images/{FITS + 1}.png" width' in boxed(
        CELL.format(FITS + 1), files
    )
    for other in (CELL.format("unknown"), f'<p><img alt="" src="_images/{FITS + 1}.png" /></p>'):
        assert boxed(other, files) == other


WIDTHS = """() => [...document.querySelectorAll(".wide-figure")].map((box) => {
  const image = box.querySelector("img");
  return [image.clientWidth, Number(image.getAttribute("width")), box.scrollWidth > box.clientWidth, box.tabIndex];
})"""


@pytest.mark.slow
def test_on_a_phone_figures_keep_four_fifths_of_their_size_and_the_keyboard_scrolls_them(in_book):
    name = "notebooks/05_classification.html"
    in_book.set_view("narrow", "light")
    in_book.open(name)
    narrow = in_book.page.evaluate(WIDTHS)
    assert len(narrow) >= 3
    assert all(abs(shown - 0.8 * natural) < 1 and scrolls and stop == 0 for shown, natural, scrolls, stop in narrow)
    in_book.set_view("wide", "light")
    in_book.open(name)
    assert all(shown <= natural and not scrolls for shown, natural, scrolls, _ in in_book.page.evaluate(WIDTHS))
    assert in_book.problems == []
