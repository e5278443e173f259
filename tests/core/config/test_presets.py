from __future__ import annotations

import pytest

from core.config.presets import PRESETS, find_preset
from core.config.training_config import resolve
from core.errors import ConfigError
from core.models.registry import MODELS


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_every_model_and_is_what_the_config_has(preset: str, model: str):
    settings = find_preset(preset).settings
    config = resolve({"data": "faces", "model": model, **settings}).model_dump()
    assert {name: config[name] for name in settings} == settings


def test_no_two_presets_are_the_same():
    assert len({repr(sorted(preset.settings.items())) for preset in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize(("name", "hint"), [("quik", "did you mean 'quick'?"), ("", "choose from recipe, quick")])
def test_an_unknown_preset_is_told_with_a_hint(name: str, hint: str):
    with pytest.raises(ConfigError, match=r"^preset: no preset is called") as error:
        find_preset(name)
    assert hint in str(error.value)
