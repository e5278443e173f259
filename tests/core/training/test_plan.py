"""The plan's batches of an epoch equal those of the stream of row numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core.config.protocol import steps_per_pass
from core.training.plan import Plan


def plan(images: int, batch: int, steps: int, *, drop_remainder: bool = False) -> Plan:
    return Plan(
        batch_size=batch,
        steps_per_epoch=steps,
        steps_per_pass=steps_per_pass(images, batch, drop_remainder=drop_remainder),
        last_batch_size=0 if drop_remainder else images % batch,
        val_images=10,
        val_batch_size=5,
        shuffle_buffer=None,
        drop_remainder=drop_remainder,
    )


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_whole_and_smaller_batches_are_those_of_the_stream(images: int, batch: int, steps: int, drop: bool) -> None:
    batch = min(batch, images)
    counted = plan(images, batch, steps, drop_remainder=drop)
    a_pass = [batch] * (images // batch) + ([] if drop or images % batch == 0 else [images % batch])
    stream = (a_pass * (3 * steps // len(a_pass) + 2))[: 3 * steps + len(a_pass)]
    for epoch in range(3):
        assert counted.images(epoch) == sum(stream[epoch * steps : (epoch + 1) * steps])
    for step in range(3 * steps):
        if counted.last_batch_size:
            until = next(i for i, size in enumerate(stream[step:]) if size < batch)
            assert counted.whole_batches(step) == until
        else:
            assert counted.whole_batches(step) >= 1
