"""The examples' folders are where their modules are imported from."""

import sys

from running import EXAMPLES

sys.path += [str(EXAMPLES), str(EXAMPLES / "company")]
