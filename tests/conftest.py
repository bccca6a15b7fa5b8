"""What all tests share: silent progress bars."""

import os

os.environ.setdefault("DRN_PROGRESS", "0")
