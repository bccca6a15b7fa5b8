"""Plans and results are read strictly: what is written twice, in another type or in no plain way is refused."""

import pytest

from book.studies.reading import strict

DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "b": {"c": 1, "d": 2, "d": 3}}', "the key 'd' stands twice"),
        ('{"a": 1, "a": 1}', "the key 'a' stands twice"),
        ("[NaN]", "NaN is no number of JSON"),
        ("[1, -Infinity]", "-Infinity is no number"),
        ("[1e999]", "1e999 is no number"),
        ("[" * DEEP + "]" * DEEP, "nested too deeply"),
    ],
    ids=lambda text: text[:20],
)
def test_json_is_read_strictly(text, says):
    with pytest.raises(ValueError, match=says):
        strict.parse_json(text)


def test_plain_json_and_yaml_are_read_as_they_look():
    assert strict.parse_json('{"a": [1, 2.5e3, null, "x"], "b": {"a": 2}}') == {
        "a": [1, 2500.0, None, "x"],
        "b": {"a": 2},
    }
    assert strict.parse_yaml("a: 1e-3\nb: -2.5E+2\nc: 0\nd: -17\ne: .5e1\nf: 1e5x") == {
        "a": 0.001, "b": -250.0, "c": 0, "d": -17, "e": 5.0, "f": "1e5x"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 012", "012 is no decimal number; .*, line 2"),
        ("a: 0x1f", "0x1f is no decimal number"),
        ("a: 0b11", "0b11 is no decimal number"),
        ("a: 1:30", "1:30 is no decimal number"),
        ("a: 1\nc: 3\na: 2", "the key 'a' stands twice, line 3"),
        ("a: [1", "not plain YAML: .*, line "),
        ("a: !!python/name:os.system", "not plain YAML"),
        ("a: \x07", "not plain YAML"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_is_read_strictly(text, says):
    with pytest.raises(ValueError, match=says):
        strict.parse_yaml(text)


def test_what_is_no_mapping_list_or_text_is_named():
    assert strict.mapping("a plan", {"a": 1, "b": 2}, ["a", "b", "c"], ["a"]) == {"a": 1, "b": 2}
    assert strict.distinct("names", [], 0) == []
    assert strict.distinct("names", ["b", "a"], 2) == ["b", "a"] and strict.text("title", "") == ""
    for call, says in [
        (lambda: strict.mapping("a plan", [1]), "a plan must be a mapping .*, not a list"),
        (lambda: strict.mapping("a plan", None), "not empty"),
        (lambda: strict.mapping("a plan", {1: 2}), "a plan has the key 1, which is no text"),
        (lambda: strict.mapping("a plan", {"a": 1, "wave": 2}, ["a", "waves"]), "field of a plan 'wave'; did you mean"),
        (lambda: strict.mapping("a plan", {"a": 1}, None, ["a", "b", "c"]), "a plan lacks b, c"),
        (lambda: strict.distinct("names", "ab"), "names must be a list, not 'ab'"),
        (lambda: strict.distinct("names", {}), "names must be a list, not a mapping"),
        (lambda: strict.distinct("names", []), "names must not be empty"),
        (lambda: strict.distinct("names", ["a"], 2), "names must not be empty"),
        (lambda: strict.distinct("names", [1, 2, 3, 2]), "names has 2 twice"),
        (lambda: strict.text("title", 3), "title must be text, not 3"),
        (lambda: strict.text("title", ["a"]), "title must be text, not a list"),
    ]:
        with pytest.raises(ValueError, match=says):
            call()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.yml").write_bytes(b"name: \xe9")
    with pytest.raises(ValueError, match="a.yml is not UTF-8 text: its byte 6 is damaged"):
        strict.read_text(tmp_path / "a.yml")
    with pytest.raises(ValueError, match="b.yml cannot be read: No such file"):
        strict.read_text(tmp_path / "b.yml")
