"""The hints that errors end with."""

from __future__ import annotations

from core.errors import nearest


def test_the_known_name_that_is_nearest_is_named():
    assert nearest("thme", ["theme", "them_all", "keys"], "see the list") == "did you mean 'theme'?"


def test_a_name_that_is_near_none_gets_the_other_hint():
    assert nearest("zzz", ["theme", "keys"], "see the list") == "see the list"
    assert nearest("", {}, "see the list") == "see the list"


def test_a_lower_cutoff_calls_names_near_that_are_less_alike():
    known = ["runs.stop"]
    assert nearest("stop", known, "see the list", cutoff=0.7) == "see the list"
    assert nearest("stop", known, "see the list", cutoff=0.4) == "did you mean 'runs.stop'?"
