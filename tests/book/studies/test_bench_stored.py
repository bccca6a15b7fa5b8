"""Numbers of the stored bench are found by network, size, threads, way and field, and no other is."""

import pytest

from book.numbers.markers import MarkerError, number
from book.studies.bench import stored

ROW = {"ratio": 1.8, "quartiles": [1.7, 1.9], "cpu_ms": 230.0}
ROWS = {"kernel": ROW, "openvino": {"missing": "not installed here"}}
ENTRY = {
    "network": "drn_c_26",
    "height": 224,
    "threads": 1,
    "clock": "cpu",
    "rounds": 15,
    "load": [3.0, 4.0],
    "rows": ROWS,
}
ENTRY["products"] = {"direct": 300, "winograd": 100}


@pytest.fixture(autouse=True)
def bench(monkeypatch):
    monkeypatch.setattr(stored, "document", lambda: {"forward": [ENTRY]})


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("bench:drn_c_26,224,1/kernel/ratio|.1f", "1.8"),
        ("bench:drn_c_26,224,1/kernel/low|.1f", "1.7"),
        ("bench:drn_c_26,224,1/kernel/high|.1f", "1.9"),
        ("bench:drn_c_26,224,1/kernel/limit|.0f", "3"),
        ("bench:drn_c_26,224,1/kernel/rounds", "15"),
        ("bench:drn_c_26,224,1/kernel/load", "4.0"),
        ("bench:drn_c_26,224,1/kernel/ratio / bench:drn_c_26,224,1/kernel/low|.2f", "1.06"),
        ("bench:drn_c_26,224,1/openvino/ratio|.1f", "not yet measured"),
        ("bench:drn_c_26,512,1/kernel/ratio|.1f", "not yet measured"),
    ],
)
def test_a_number_of_the_bench(key, text):
    assert number(key) == text


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("bench:drn_c_27,224,1/kernel/ratio", "drn_c_27.*drn_c_26"),
        ("bench:drn_c_26,224,1/gpu/ratio", "no way 'gpu'; it knows kernel, openvino"),
        ("bench:drn_c_26,224,1/kernel/speed", "no field 'speed'"),
        ("bench:drn_c_26,224/kernel/ratio", "takes NETWORK,HEIGHT,THREADS"),
        ("bench:drn_c_26,large,1/kernel/ratio", "takes NETWORK,HEIGHT,THREADS"),
    ],
)
def test_what_the_bench_does_not_have_is_named(key, said):
    with pytest.raises(MarkerError, match=said):
        number(key)
