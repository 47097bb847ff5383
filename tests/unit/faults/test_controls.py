"""A control takes out the guard that it names: its patches find their places in the code as it is."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.faults.controls import CONTROLS, Control, DoesNotApply, Patch, apply, patched
from tests.faults.runs import RUNS
from tests.faults.world import REPOSITORY


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.slug)
def test_each_patch_applies_and_leaves_code_that_can_be_read(control: Control, tmp_path: Path) -> None:
    for patch in control.patches:
        (tmp_path / patch.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / patch.file, tmp_path / patch.file)
    apply(tmp_path, control.patches)
    for patch in control.patches:
        text = (tmp_path / patch.file).read_text(encoding="utf-8")
        assert patch.new in text
        ast.parse(text)


def test_the_code_of_a_control_is_whole_but_for_its_patches() -> None:
    control = CONTROLS[0]
    with patched(control) as code:
        differing = {
            str(path.relative_to(code))
            for path in code.rglob("*.py")
            if path.read_bytes() != (REPOSITORY / path.relative_to(code)).read_bytes()
        }
        modules = {str(path.relative_to(code)) for path in code.rglob("*.py")}
    assert differing == {patch.file for patch in control.patches}
    assert modules == {
        str(path.relative_to(REPOSITORY))
        for folder in ("services", "shared", "deploy")
        for path in (REPOSITORY / folder).rglob("*.py")
    }


def test_each_run_has_a_control() -> None:
    assert {control.run for control in CONTROLS} == set(RUNS)


def test_a_patch_whose_place_is_not_there_once_is_refused(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("one\none\n", encoding="utf-8")
    for old in ("one", "two"):
        with pytest.raises(DoesNotApply):
            apply(tmp_path, (Patch("code.py", old, "three"),))


@pytest.mark.parametrize("run", RUNS.values(), ids=lambda run: run.name)
def test_a_schedule_is_the_same_for_the_same_seed_and_lies_within_the_load(run: object) -> None:
    for name, each in RUNS.items():
        if each is run:
            assert each.schedule(7, 100.0) == each.schedule(7, 100.0), name
            assert all(0 < fault.at_s < 100.0 for fault in each.schedule(7, 100.0))
