"""What a hostile engine would try, run by `test_sandbox.py` inside the sandbox; tells what came of it."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path


def tried(action: object) -> str:
    """`done`, or the name of the error."""
    try:
        action()  # type: ignore[operator]
    except OSError as error:
        return type(error).__name__ + f" {error.errno}"
    return "done"


def main() -> None:
    """Try everything and tell."""
    asked = json.loads(sys.stdin.readline())
    mine = Path(os.environ["TMPDIR"])
    told = {
        "tcp": tried(lambda: socket.create_connection(("127.0.0.1", asked["port"]), timeout=2)),
        "udp": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))),
        "outside": tried(lambda: Path(asked["outside"], "x").write_text("x")),
        "inside": tried(lambda: (mine / "x").write_text("x")),
        "undo": subprocess.run(["mount", "-o", "remount,rw", "/"], capture_output=True, check=False).returncode,
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "status": dict(
            line.split(":\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
        ),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
