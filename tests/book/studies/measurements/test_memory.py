"""The peak memory of reading one image is that of a process of its own."""

import sys

from tests.library import run


def test_a_process_tells_its_peak():
    code = "from book.studies.measurements import memory as m; m.HEIGHT = m.WIDTH = 64; "
    code += "print(m.read('window_512') > 100)"
    ran = run(sys.executable, "-c", code)
    assert ran.stdout == "True\n", ran.stderr
