"""Compiled training and validation steps that process many batches per call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.training.program_cache import NO_PROGRAM_CACHE, ProgramCache, with_stable_name

if TYPE_CHECKING:
    import tensorflow as tf

    from core.training.feed import Feed

# The target duration of a call in seconds. A stop request, the progress and the loss are checked only between calls.
CALL_SECONDS = 0.2
# The number of steps in the first timed call, and the maximum number of steps in any call.
TIMED_STEPS, MOST_STEPS = 4, 256


class CompiledSteps:
    """Runs a step on the batches of a feed.

    On a GPU a call runs many steps, which reduces the overhead of Python and of launching the program. The number of
    steps is a tensor, so that one program runs any number of steps. A smaller batch at the
    end of a pass over the images runs without XLA, because XLA would compile a second program for its shape.

    Attributes:
        feed: the source of the batches.
        is_compiled: whether the program for full batches is compiled.
    """

    def __init__(
        self,
        step: Callable[[Any], Any],
        loss: Callable[[], Any],
        feed: Feed,
        *,
        many: bool,
        jit_compile: bool,
        loop_in_xla: bool,
        programs: ProgramCache = NO_PROGRAM_CACHE,
    ) -> None:
        """Store the arguments; the first call of `run` traces and compiles.

        Args:
            step: a function that processes one batch.
            loss: a function that returns the mean loss since the last reset of the metrics, as a tensor.
            feed: the source of the batches.
            many: whether a call runs steps for about CALL_SECONDS instead of a single step.
            jit_compile: whether XLA compiles the step.
            loop_in_xla: whether XLA also compiles the loop over the steps, including `Feed.batch`.
            programs: the cache of XLA's programs.
        """
        import tensorflow as tf

        self.feed = feed
        self.is_compiled = False
        self._seconds: float | None = None
        self._step = step
        self._loss = loss
        self._many = many
        self._jit_compile = jit_compile
        self._loop_in_xla = jit_compile and loop_in_xla
        self._pad_to = MOST_STEPS if many and self._loop_in_xla else 0
        self._programs = programs
        # Without XLA one program handles every batch size. XLA requires static shapes.
        self._run_plain = tf.function(self._one_with(step), input_signature=feed.signature, autograph=False)
        self._run_whole = self._for_whole_batches()

    def _for_whole_batches(self) -> Any:
        """Return the compiled function for full batches."""
        import tensorflow as tf

        step, signature = self._step, self.feed.signature
        if not self._many and not self._jit_compile:
            return self._run_plain
        if self._jit_compile and not self._loop_in_xla:
            step = tf.function(with_stable_name(step), jit_compile=True, autograph=False)
        # No loop on a CPU: XLA's convolutions are a hundred times slower inside a loop.
        run = self._many_with(step) if self._many else self._one_with(step)
        if self._loop_in_xla:
            return tf.function(with_stable_name(run), jit_compile=True, autograph=False)
        if signature and self._many:
            signature = (tf.TensorSpec((), tf.int32), *signature)
        return tf.function(run, input_signature=signature, autograph=False)

    def _one_with(self, step: Callable[[Any], Any]) -> Callable[..., Any]:
        import tensorflow as tf

        def run_one(*arguments: Any) -> tf.Tensor:
            step(self.feed.batch(tf.constant(0), *arguments))
            return self._loss()

        return run_one

    def _many_with(self, step: Callable[[Any], Any]) -> Callable[..., Any]:
        import tensorflow as tf

        def run_many(steps: tf.Tensor, *arguments: Any) -> tf.Tensor:
            def body(number: tf.Tensor) -> tf.Tensor:
                step(self.feed.batch(number, *arguments))
                return number + 1

            tf.while_loop(lambda number: number < steps, body, [tf.constant(0)], parallel_iterations=1)
            return self._loss()

        return run_many

    def run(self, whole: int) -> tuple[int, float]:
        """Run the next steps and wait for the device.

        Args:
            whole: the number of full batches that come next; 0 if the next batch is smaller.

        Returns:
            The number of steps, at least 1, and the mean loss since the metrics were reset.
        """
        import tensorflow as tf

        if not whole:
            return 1, float(self._run_plain(*self.feed.take(1)))
        steps = min(whole, self._next_steps())
        began = time.perf_counter()
        arguments = (*((tf.constant(steps),) if self._many else ()), *self.feed.take(steps, self._pad_to))
        if self.is_compiled:
            loss = float(self._run_whole(*arguments))
            self._seconds = max(time.perf_counter() - began, 1e-6) / steps
        else:
            loss = self._first_call(arguments)
            self.is_compiled = True
        return steps, loss

    def _first_call(self, arguments: tuple[Any, ...]) -> float:
        """Call the function for the first time, which compiles its program or loads it from the cache."""
        import tensorflow as tf

        try:
            with self._programs.guard_first_call():
                return float(self._run_whole(*arguments))
        except tf.errors.OpError:
            if self._programs.folder is None or not self._loop_in_xla:
                raise
        # Loading a cached program failed before any step ran, and `guard_first_call` removed all cached programs.
        # Compile the function again.
        self._run_whole = self._for_whole_batches()
        return float(self._run_whole(*arguments))

    def _next_steps(self) -> int:
        """Return the number of steps for the next call: 1 for the first call, whose duration includes compilation."""
        if not self._many or not self.is_compiled:
            return 1
        if self._seconds is None:
            return TIMED_STEPS
        return max(min(int(CALL_SECONDS / self._seconds), MOST_STEPS), 1)
