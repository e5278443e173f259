"""Many steps per call: each batch runs once, in one program for any number of steps and one for the smaller batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.training import compiled_steps
from core.training.compiled_steps import CompiledSteps
from core.training.feed import DeviceFeed, EagerFeed, HostFeed

# Two passes of 23 rows: five batches of 4 rows and one batch of 3 rows.
ROWS, BATCH = 23, 4


class Counting:
    """A step that sums the rows of the batches and records the shape of each trace."""

    def __init__(self) -> None:
        import tensorflow as tf

        self.traces: list[tuple[int | None, ...]] = []
        self.seen = tf.Variable(tf.zeros(ROWS))

    def step(self, batch: Any) -> None:
        import tensorflow as tf

        (rows,) = batch
        self.traces.append(tuple(rows.shape))
        self.seen.assign_add(tf.reduce_sum(tf.one_hot(rows, ROWS), axis=0))

    def loss(self) -> Any:
        import tensorflow as tf

        return tf.reduce_sum(self.seen)


def rows() -> Any:
    import tensorflow as tf

    return tf.data.Dataset.range(ROWS).batch(BATCH).repeat()


def feed(kind: str) -> HostFeed | DeviceFeed | EagerFeed:
    import tensorflow as tf

    if kind == "host":
        return HostFeed(rows().map(lambda each: (tf.cast(each, tf.int32),)))
    own = EagerFeed if kind == "eager" else DeviceFeed

    def make_batch(key: Any, rows: Any) -> Any:
        return (tf.identity(rows),)

    return own(rows(), make_batch)


@pytest.mark.parametrize(
    ("kind", "many", "jit", "in_xla"),
    [
        ("host", False, False, False),
        ("host", True, False, False),
        ("host", True, True, False),
        ("host", False, True, False),
        ("eager", False, False, False),
        ("device", True, False, True),
        ("device", True, True, True),
        ("device", True, True, False),
        ("device", False, True, True),
    ],
)
def test_every_batch_is_run_once(kind: str, many: bool, jit: bool, in_xla: bool) -> None:
    counting = Counting()
    steps = CompiledSteps(counting.step, counting.loss, feed(kind), many=many, jit_compile=jit, loop_in_xla=in_xla)
    steps.feed.begin()
    ran: list[int] = []
    for number in range(1, 4):
        left = ROWS // BATCH
        while left:
            done, loss = steps.run(left)
            ran.append(done)
            left -= done
            assert loss == ROWS * (number - 1) + BATCH * (ROWS // BATCH - left)
        assert steps.run(0)[0] == 1
        np.testing.assert_array_equal(counting.seen.numpy(), number)
    # The first call runs one step, the second is timed, and later calls run all remaining batches.
    assert ran == ([1, 4, 5, 5] if many else [1] * 15)
    whole = [shape for shape in counting.traces if shape != (None,)]
    assert len(counting.traces) <= 2, "a number of steps or the end of a pass was compiled again"
    assert set(whole) <= {(BATCH,)}


def test_a_call_takes_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first call compiles and reads the clock once. The later calls run 4, 8, 16 and 8 steps.
    now = iter([0.0, 30.0, 30.1875, 31.0, 31.1875, 32.0, 32.75, 33.0, 33.0])
    monkeypatch.setattr(compiled_steps, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    monkeypatch.setattr(compiled_steps, "CALL_SECONDS", 0.375)
    counting = Counting()
    steps = CompiledSteps(counting.step, counting.loss, feed("host"), many=True, jit_compile=False, loop_in_xla=False)
    steps.feed.begin()
    assert [steps.run(100)[0] for _ in range(5)] == [1, 4, 8, 16, 8]
    # The last call took no time, so the next call runs the maximum number of steps.
    assert steps._next_steps() == compiled_steps.MOST_STEPS


@pytest.mark.parametrize(
    ("kind", "many", "in_xla"), [("host", True, False), ("host", False, False), ("device", True, True)]
)
def test_whole_batches_are_run_by_xla_and_smaller_ones_without(kind: str, many: bool, in_xla: bool) -> None:
    import tensorflow as tf

    def step(batch: Any) -> None:
        # XLA does not support this operation.
        tf.debugging.assert_equal(tf.strings.length(tf.strings.as_string(batch[0]))[0] > 0, True)

    steps = CompiledSteps(step, lambda: tf.constant(1.0), feed(kind), many=many, jit_compile=True, loop_in_xla=in_xla)
    steps.feed.begin()
    assert steps.run(0) == (1, 1.0)
    with pytest.raises(tf.errors.OpError, match="unsupported operations"):
        steps.run(1)
