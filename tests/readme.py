"""Runs every command that README.md shows, as a reader would type it.

Commands are the lines of ```sh blocks. `make test` itself is left out: it runs this file.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEFT_OUT = ("make test",)


def commands(readme: str) -> list[str]:
    """Return the commands of the ```sh blocks, comments removed."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(LEFT_OUT)]


def main() -> int:
    """Run them in order in the project folder; stop at the first failure."""
    found = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    if not found:
        print("README.md shows no commands")
        return 1
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in found:
        print(f"$ {command}", flush=True)
        with tempfile.TemporaryFile("w+") as output:
            code = subprocess.run(
                command,
                shell=True,
                cwd=ROOT,
                env=os.environ | {"PATH": path},
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
            if code:
                output.seek(0)
                print(output.read())
                print(f"exit code {code}")
                return 1
    print(f"{len(found)} commands of the README work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
