"""A step of training or validation, compiled, and run on many batches a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.training.program_cache import NO_PROGRAM_CACHE, ProgramCache, with_stable_name

if TYPE_CHECKING:
    import tensorflow as tf

    from core.training.feed import Feed

# How long a call may take: a stop, the progress and the check of the loss wait for its end.
CALL_SECONDS = 0.2
# Steps of the first call that is timed, and the most of any.
TIMED_STEPS, MOST_STEPS = 4, 256


class CompiledSteps:
    """Runs a step on a feed's batches.

    On a GPU a call runs many steps, so that Python and the launch of the program are paid once for all of them. The
    number of steps is a tensor: one program runs any number. Whatever `jit_compile` says, a pass's last, smaller batch
    is run by a program without XLA, which takes any shape: XLA would compile another one for it.

    Attributes:
        feed: where the batches come from.
        is_compiled: whether the program for whole batches is there.
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
        """Trace and compile nothing yet; the first call does.

        Args:
            step: what to do with a batch.
            loss: gives the mean loss of all steps since the metrics were reset, a tensor.
            feed: where the batches come from.
            many: whether a call runs as many steps as take CALL_SECONDS, or one.
            jit_compile: whether XLA compiles the step.
            loop_in_xla: whether it compiles the loop too, what the feed does in it included.
            programs: where XLA's programs are kept.
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
        # Any number of batches of any size is one program, but XLA wants every shape.
        self._run_plain = tf.function(self._one_with(step), input_signature=feed.signature)
        self._run_whole = self._for_whole_batches()

    def _for_whole_batches(self) -> Any:
        """The compiled function for batches of the usual size."""
        import tensorflow as tf

        step, signature = self._step, self.feed.signature
        if not self._many and not self._jit_compile:
            return self._run_plain
        if self._jit_compile and not self._loop_in_xla:
            step = tf.function(with_stable_name(step), jit_compile=True)
        # No loop on a CPU: XLA's convolutions are a hundred times slower in one.
        run = self._many_with(step) if self._many else self._one_with(step)
        if self._loop_in_xla:
            return tf.function(with_stable_name(run), jit_compile=True)
        if signature and self._many:
            signature = (tf.TensorSpec((), tf.int32), *signature)
        return tf.function(run, input_signature=signature)

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
        """Run some of the next steps.

        Args:
            whole: how many batches of the usual size come next; 0 where the next one is a smaller one.

        Returns:
            How many steps were run, at least one, and the mean loss since the metrics were reset. It waits for the
            device.
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
        """Compile the function, or load its program, and call it."""
        import tensorflow as tf

        try:
            with self._programs.guard_first_call():
                return float(self._run_whole(*arguments))
        except tf.errors.OpError:
            if self._programs.folder is None or not self._loop_in_xla:
                raise
        # A kept program could not be loaded, and no step was done. All kept programs are removed by now: compile anew.
        self._run_whole = self._for_whole_batches()
        return float(self._run_whole(*arguments))

    def _next_steps(self) -> int:
        """How many steps a call may run; the first one traces and compiles, and tells nothing of their time."""
        if not self._many or not self.is_compiled:
            return 1
        if self._seconds is None:
            return TIMED_STEPS
        return max(min(int(CALL_SECONDS / self._seconds), MOST_STEPS), 1)
