from pathlib import Path

import pytest
import torch
from tests import fakes

import vivant
from vivant.core.errors import BadInputError
from vivant.core.progress import Event, StageFinished
from vivant.recipes import RECIPES, create, load_recipe, with_person
from vivant.recipes.provenance import body_line, engine_line


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fakes.Stages:
    from vivant.recipes import table

    monkeypatch.setattr(table, "results_folder", lambda: tmp_path / "cache")
    made = fakes.Stages()
    made.install(monkeypatch)
    return made


@pytest.mark.parametrize("recipe", [recipe.name for recipe in RECIPES])
def test_every_recipe_has_config_engines_and_build(recipe: str) -> None:
    module = load_recipe(recipe)
    assert module.Config() == module.Config()
    assert all(engine_line(name) for name in module.engines(module.Config()))
    assert callable(module.build)


def test_create_makes_a_signed_avatar_of_a_photo(stages: fakes.Stages) -> None:
    avatar = create(fakes.photo())
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo"]
    assert avatar.origin.recipe == "quick" and avatar.origin.photo == "0" * 64


def test_create_reads_a_file_and_tells_progress(stages: fakes.Stages, tmp_path: Path) -> None:
    from vivant.core.images import write_image

    write_image(torch.rand(64, 48, 3), tmp_path / "me.png")
    events: list[Event] = []
    vivant.create(str(tmp_path / "me.png"), listener=events.append)
    finished = [event.stage for event in events if isinstance(event, StageFinished)]
    assert finished == ["perceive", "fit_body", "lift", "refine_photo"]


def test_create_reuses_what_it_kept_unless_told_not_to(stages: fakes.Stages) -> None:
    create(fakes.photo())
    create(fakes.photo())
    assert len(stages.calls) == 4
    create(fakes.photo(), keep=False)
    assert len(stages.calls) == 8


def test_another_seed_is_another_result(stages: fakes.Stages) -> None:
    create(fakes.photo())
    create(fakes.photo(), seed=1)
    assert len(stages.calls) == 8


def test_an_unknown_recipe_is_told_with_the_known_ones() -> None:
    with pytest.raises(BadInputError, match=r"'magic'.*quick"):
        create(fakes.photo(), recipe="magic")


def test_a_person_is_chosen_in_the_config() -> None:
    config = with_person(load_recipe("quick").Config(), 2)
    assert config.perceive.person == 2
    assert load_recipe("quick").Config().perceive.person is None


def test_a_user_s_own_body_model_is_told_as_such() -> None:
    assert "your own file" in body_line("smplx")
    assert "CC0" in body_line("anny")
