import subprocess
import sys

import pytest

from seekloop.system import digests, lazy
from seekloop.system.errors import MissingPackage


def test_a_missing_package_names_its_pip_line():
    with pytest.raises(MissingPackage) as caught:
        lazy.need("package_that_is_not_there.inside", extra="serve")
    assert caught.value.hint("en") == "pip install 'seekloop[serve]'"
    assert caught.value.facts["package"] == "package_that_is_not_there"


def test_a_package_that_is_there_is_imported():
    assert lazy.need("json", extra="train").dumps([]) == "[]"


def test_a_package_that_misses_its_own_dependency_keeps_its_traceback(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import dependency_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="dependency_that_is_not_there"):
        lazy.need("half_installed", extra="train")


def test_a_target_names_an_object():
    assert lazy.resolve("seekloop.system.digests:short") is digests.short


def test_a_room_hands_on_its_stage_without_importing_it_first():
    code = (
        "import sys; from seekloop import data, tune; assert 'seekloop.data.stage' not in sys.modules; data.run; "
        "assert 'seekloop.data.stage' in sys.modules; assert 'torch' not in sys.modules; "
        "assert tune.TuneSpec.__module__ == 'seekloop.tune.spec'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_a_room_does_not_offer_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        lazy.attributes("seekloop.data", stage=("run",))("runn")
