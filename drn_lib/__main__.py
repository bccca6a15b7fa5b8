"""`python -m drn_lib`: see `drn_lib.cli`."""

import sys

from drn_lib.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
