"""`python -m neuro_emu.cli`."""

import sys

from neuro_emu.cli import main

sys.exit(main())
