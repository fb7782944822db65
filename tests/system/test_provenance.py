import re
import subprocess
import sys

from seekloop import __version__
from seekloop.system import provenance, settings

ask = "from seekloop.system import provenance as p; print(p.code_version(), p.lock_digest())"


def test_the_code_version_carries_release_and_source_digest():
    assert re.fullmatch(re.escape(__version__) + r"\+src\.[0-9a-f]{12}", provenance.code_version())


def test_another_process_sees_the_same_code_and_lock():
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [provenance.code_version(), provenance.lock_digest()]


def test_hardware_is_plain_values_that_a_receipt_can_hold():
    hardware = provenance.hardware()
    assert hardware["cores"] == settings.cores()
    assert int(hardware["memory_mib"]) > 0
    assert set(hardware) == {"cpu", "cores", "memory_mib", "system", "python"}
