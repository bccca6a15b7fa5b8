"""Answers that want to make `check` raise or mark wrongly: one sentence for each, and marks by value."""

import array
import asyncio
import collections
import math
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from book.exercises import exercise as exercises
from book.exercises.exercise import Exercise, all_exercises, check

EXERCISES = all_exercises()
NUMBERS = [e for e in EXERCISES.values() if not e.is_function and not e.choices]
CHOICES = [e for e in EXERCISES.values() if e.choices]
FUNCTIONS = [e for e in EXERCISES.values() if e.is_function]


@pytest.fixture(autouse=True)
def first_attempt(monkeypatch):
    monkeypatch.setattr(exercises, "_attempts", {})


class Quiet(Exception):
    def __str__(self):
        raise ValueError("no text either")

    __repr__ = __str__


class Loud:
    """Every attempt to look at it fails, by the error of its choice; `spared` methods behave."""


def loud(error, *methods, base=object, **more):
    def fail(*_, **__):
        raise error

    return type("Loud", (base,), {**dict.fromkeys(methods, fail), **more})


def everywhere(error):
    names = "eq ne hash bool len iter getitem contains float int index complex array repr str format call".split()
    return loud(error, *(f"__{name}__" for name in (*names, "array_interface", "array_struct", "dir")))()


ERRORS = [ValueError("no"), TypeError(), Quiet(), SystemExit(3), KeyboardInterrupt(), MemoryError(), RecursionError()]
ERRORS += [
    GeneratorExit(),
    StopIteration(),
    asyncio.CancelledError(),
    AssertionError(),
    OSError(28, "full"),
    KeyError(7),
]
ERRORS += [
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    ValueError("\ud800 and {braces} %s"),
    Warning("w" * 10**5),
]

METHODS = ["__eq__", "__float__", "__array__", "__repr__", "__len__", "__iter__", "__getitem__", "__bool__", "__hash__"]
METHODS += ["__int__", "__index__", "__str__", "__getattribute__", "__getattr__", "__array_ufunc__", "__call__"]


def circular():
    rows = []
    rows.append(rows)
    return rows


def circular_array():
    box = np.empty((), object)
    box[()] = box
    return box


def classy(error):
    return type("Classy", (), {"__class__": property(lambda self: (_ for _ in ()).throw(error))})()


VALUES = [everywhere(error) for error in ERRORS] + [classy(error) for error in ERRORS[:5]]
VALUES += [loud(ValueError("no"), method)() for method in METHODS]
VALUES += [loud(ValueError("no"), method, base=float)(4321) for method in METHODS if method != "__getattribute__"]
VALUES += [
    loud(ValueError("no"), method, base=list)([4]) for method in ("__iter__", "__len__", "__getitem__", "__repr__")
]
VALUES += [10**400, -(10**400), 10**5000, float("inf"), float("nan"), -0.0, 1e308, Fraction(10**400, 3), Decimal("NaN")]
VALUES += [Decimal("sNaN"), Decimal("1e999999"), 5j, complex("nan"), True, False, None, NotImplemented, "", "28", "1/9"]
VALUES += [
    b"28",
    bytearray(b"4"),
    memoryview(b"4"),
    "\ud800",
    "{}",
    "%s",
    np.str_("4"),
    np.bytes_(b"4"),
    np.bool_(True),
]
VALUES += [
    [],
    (),
    {},
    set(),
    [None],
    [[]],
    [[[]]],
    [4, [4]],
    ["4"],
    [b"4"],
    {"a": 1},
    {4},
    frozenset({4}),
    range(10**12),
]
VALUES += [circular(), circular_array(), (x for x in [4]), iter([4]), map(int, "4"), zip([4]), reversed([4])]
VALUES += [collections.deque([4]), collections.Counter("a"), array.array("d", [4]), dict.fromkeys([4]).keys()]
VALUES += [np.broadcast_to(0.0, (10**5, 10**5)), np.broadcast_to(0, (0, 10**9)), torch.zeros(1).expand(10**11)]
VALUES += [np.array(["4"]), np.array([b"4"]), np.array([None]), np.array([{}, 4]), np.zeros((1,) * 30), np.array([])]
VALUES += [np.datetime64("2020-01-01"), np.timedelta64(4), np.zeros(2, [("a", int)]), np.void(b"4"), np.ma.masked]
VALUES += [np.recarray((1,), [("a", float)]), np.array(10**400, dtype=object)]
VALUES += [
    torch.ones(2, requires_grad=True),
    torch.zeros(2, device="meta"),
    torch.eye(3).to_sparse(),
    torch.tensor(True),
]
VALUES += [torch.tensor([math.nan]), torch.zeros(0), torch.zeros((), device="meta"), torch.nn.Linear(1, 1)]
VALUES += [
    sys,
    np,
    int,
    object,
    type,
    object(),
    Exception,
    Ellipsis.__class__,
    print,
    len,
    dict,
    np.sum,
    slice(4),
    property(),
]


async def later(*_):
    return 4


def endless(*_):
    yield 4


def deep(*given):
    return deep(*given)


def no_arguments():
    return 4


def clears(*given):
    for argument in given:
        if isinstance(argument, np.ndarray):
            argument[...] = 0
        elif isinstance(argument, list):
            argument.clear()


RETURNS = [*VALUES, ..., later, endless]
CALLS = [later, endless, deep, no_arguments, clears, lambda *_: later(), lambda: 1, lambda *_, wanted: 1, type, Quiet]
CALLS += [type("Odd", (), {"__call__": 4})(), loud(ValueError("no"), "__init__"), staticmethod(no_arguments), super]


def raises(error):
    def function(*_):
        raise error

    return function


def gives(value):
    return lambda *_: value


def test_there_are_enough_of_them():
    assert len(VALUES) >= 130


@pytest.mark.parametrize(
    "exercise", [NUMBERS[0], NUMBERS[-1], CHOICES[0], FUNCTIONS[0], FUNCTIONS[-1]], ids=lambda e: e.name
)
def test_no_answer_makes_check_raise_or_is_right(exercise, capsys):
    for number, answer in enumerate([*VALUES, *CALLS]):
        check(exercise.name, answer)
        said = capsys.readouterr().out
        assert said and not said.startswith("Right"), number
        said.encode()


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.name)
def test_a_few_of_each_kind_for_every_exercise(exercise, capsys):
    for answer in (*VALUES[: len(ERRORS)], *VALUES[len(ERRORS) :: 9], *CALLS[:6]):
        check(exercise.name, answer)
        assert not capsys.readouterr().out.startswith("Right")


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.name)
def test_a_function_may_raise_or_give_anything(exercise, capsys):
    for error in ERRORS:
        check(exercise.name, raises(error))
        said = " ".join(capsys.readouterr().out.split())
        stopped = isinstance(error, KeyboardInterrupt)
        assert ("was stopped" if stopped else f"raised {type(error).__name__}") in said
        assert f"{type(error).__name__} ()" not in said and len(said) < 900
    for value in RETURNS[:: 1 if exercise in (FUNCTIONS[0], FUNCTIONS[-1]) else 7]:
        check(exercise.name, gives(value))
        assert capsys.readouterr().out.startswith("Not yet. ")


def test_a_reader_who_stops_an_endless_function_is_told_so_once(capsys):
    calls = []

    def stopped(*_):
        calls.append(1)
        raise KeyboardInterrupt

    check("output-size", stopped)
    assert "was stopped" in capsys.readouterr().out and len(calls) == 1


NAMES = [[], {}, None, 4, 4.5, b"split", ("split",), np.array(["split"]), EXERCISES["split"], check, type, "", "\ud800"]
NAMES += [everywhere(error) for error in ERRORS[:3]] + [classy(ValueError("no"))]


@pytest.mark.parametrize("answer", [..., 4])
def test_a_name_may_be_anything(answer, capsys):
    for number, name in enumerate(NAMES):
        check(name, answer)
        said = capsys.readouterr().out
        assert said and not said.startswith(("Right", "Task")), number
        said.encode()


def test_a_mistyped_name_gets_the_nearest_one(capsys):
    check("outputsize", 4)
    assert capsys.readouterr().out == "There is no exercise 'outputsize'; did you mean output-size?\n"


# Copies for both sides


def overwrites(exercise, value):
    """Sets all arrays and lists that it is given to one value and answers for what is there then."""

    def function(*given):
        for argument in given:
            if isinstance(argument, np.ndarray):
                argument[...] = value
            elif isinstance(argument, list):
                argument[:] = argument[:1] * len(argument)
        return exercise.solution(*given)

    return function


def is_mutable(exercise):
    given = exercise.inputs(np.random.default_rng(0))
    return any(isinstance(argument, (np.ndarray, list)) for argument in given)


MUTABLE = [e for e in FUNCTIONS if is_mutable(e)]


@pytest.mark.parametrize("exercise", MUTABLE, ids=lambda e: e.name)
def test_answers_for_overwritten_arguments_are_wrong(exercise):
    assert not exercise.mark(overwrites(exercise, 1))[0]


@pytest.mark.parametrize("exercise", MUTABLE, ids=lambda e: e.name)
def test_a_right_function_may_change_what_it_was_given(exercise):
    def right_then(change):
        def function(*given):
            found = exercise.solution(*given)
            found = [row.copy() for row in found] if isinstance(found, list) and exercise.name == "split" else found
            change(*given)
            return found

        return function

    def sorts(*given):
        for argument in given:
            if isinstance(argument, (np.ndarray, list)):
                argument.sort()

    assert exercise.mark(right_then(clears))[0] and exercise.mark(right_then(sorts))[0]


def test_the_message_shows_the_arguments_as_they_were_given():
    exercise = Exercise("f", 1, "Task?", sum, "Because.", ("hint",), inputs=lambda r: ([1, 2, 3],))

    def empties(values):
        values.clear()
        return 7

    assert "For ([1, 2, 3],) your function gives 7" in exercise.mark(empties)[1]


def test_dictionaries_and_nested_lists_are_copied_too():
    def inputs(random):
        return {"rows": [[1, 2], [3]]}, [[4]]

    def total(table, more):
        return sum(map(sum, table["rows"])) + more[0][0]

    def cheats(table, more):
        table["rows"][0][:] = [0, 0]
        more[0][0] = 0
        return 3

    exercise = Exercise("f", 1, "Task?", total, "Because.", ("hint",), inputs=inputs)
    assert exercise.mark(total)[0] and not exercise.mark(cheats)[0]


def test_a_buffer_that_is_given_again_and_again_counts_by_its_value():
    exercise, buffer = EXERCISES["enlarge"], {}

    def reuses(scores, factor):
        row = buffer.setdefault(factor * len(scores), np.empty(factor * len(scores)))
        row[:] = exercise.solution(scores, factor)
        return row

    assert exercise.mark(reuses)[0]


def test_a_function_that_counts_its_calls_is_marked_by_what_it_gives():
    calls = []

    def once_right(*given):
        calls.append(given)
        return EXERCISES["output-size"].solution(*given) + (len(calls) > 19)

    assert not EXERCISES["output-size"].mark(once_right)[0]


def test_settings_of_numpy_that_a_function_leaves_change_nothing():
    before = np.geterr()

    def strict(scores):
        np.seterr(all="raise")
        return scores.mean(axis=(1, 2))

    try:
        assert EXERCISES["pool-the-map"].mark(strict)[0]
        assert not EXERCISES["pool-the-map"].mark(lambda scores: 1e308 * np.sign(scores.mean(axis=(1, 2))))[0]
    finally:
        np.seterr(**before)


# Right in another form, and wrong in a similar one


class Series:
    """As a table's column is: a shape and `__array__`, and comparisons that give arrays."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self):
        return len(self.values)

    def __eq__(self, other):
        return self.values == other

    __hash__ = None


SIXTEEN = [
    16,
    16.0,
    np.float32(16),
    np.float16(16),
    np.int8(16),
    np.uint64(16),
    np.longdouble(16),
    Fraction(16),
    16 + 0j,
]
SIXTEEN += [
    Decimal("16"),
    np.array(16),
    np.array(16, dtype=object),
    torch.tensor(16),
    torch.tensor(16.0, requires_grad=True),
]
SIXTEEN += [
    torch.tensor(16.0, dtype=torch.bfloat16),
    np.ma.array(16, mask=False),
    Series(16),
    type("N", (int,), {})(16),
]


@pytest.mark.parametrize("answer", SIXTEEN, ids=range(len(SIXTEEN)))
def test_a_right_number_is_right_in_every_form(answer):
    assert EXERCISES["level-6-price"].mark(answer)[0]


NOT_SIXTEEN = [16 + 5j, np.array(16 + 5j), torch.tensor(16 + 5j), [16], np.array([16]), torch.tensor([16]), (16,), "16"]
NOT_SIXTEEN += [b"16", ["16"], np.array("16"), np.array(b"16"), np.array("16", dtype=object), np.timedelta64(16)]
NOT_SIXTEEN += [np.ma.array(16, mask=True), bytearray([16]), Decimal("16.1"), Fraction(33, 2), np.float16(16.02), -16]
NOT_SIXTEEN += [loud(ValueError("no"), base=float, __eq__=lambda *_: True, __hash__=float.__hash__)(4)]


@pytest.mark.parametrize("answer", NOT_SIXTEEN, ids=range(len(NOT_SIXTEEN)))
def test_what_only_resembles_it_is_wrong(answer):
    assert not EXERCISES["level-6-price"].mark(answer)[0]


def test_a_truth_value_is_no_number():
    one = Exercise("n", 1, "Task?", 1, "Because.", ("hint",))
    assert one.mark(1)[0]
    for answer in (True, np.True_, np.array(True), torch.tensor(True)):
        assert not one.mark(answer)[0]


ROWS = [
    tuple, list, np.array, torch.tensor, collections.deque, Series, lambda rows: array.array("d", rows),
    lambda rows: np.array(rows, dtype=object), lambda rows: [Fraction(value) for value in rows],
    lambda rows: [torch.tensor(value, requires_grad=True) for value in rows], lambda rows: np.ma.array(rows),
    lambda rows: torch.tensor(rows, requires_grad=True), lambda rows: [np.float64(value) for value in rows],
]  # fmt: skip
NO_ROWS = [
    set, lambda rows: [str(value) for value in rows], lambda rows: np.array(rows)[:, None], iter,
    lambda rows: rows[:-1],
    lambda rows: np.array([str(value) for value in rows]),
    lambda rows: np.ma.array(rows, mask=[1] + [0] * (len(rows) - 1)),
    lambda rows: [*rows, 0.0], lambda rows: dict(enumerate(rows)), lambda rows: np.array(rows) + 1j,
    lambda rows: [rows],
    lambda rows: [str(value).encode() for value in rows], lambda rows: rows[0],
    lambda rows: {v: 0 for v in rows}.keys(),
]  # fmt: skip


@pytest.mark.parametrize("form", ROWS, ids=range(len(ROWS)))
def test_right_rows_are_right_in_every_form(form):
    solution = EXERCISES["enlarge"].solution
    assert EXERCISES["enlarge"].mark(lambda *given: form(solution(*given).tolist()))[0]


@pytest.mark.parametrize("form", NO_ROWS, ids=range(len(NO_ROWS)))
def test_rows_of_another_kind_or_shape_are_wrong(form):
    solution = EXERCISES["enlarge"].solution
    assert not EXERCISES["enlarge"].mark(lambda *given: form(solution(*given).tolist()))[0]


class AlwaysEqual(str):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("2")


def test_words_are_compared_by_their_letters():
    exercise = EXERCISES["first-of-level-6"]
    assert exercise.mark("2")[0] and exercise.mark(np.str_("2"))[0]
    for answer in (AlwaysEqual("5"), AlwaysEqual(exercise.mistakes[0].answer), np.array(["2", "3"]), 2, "2 "):
        assert not exercise.mark(answer)[0]
