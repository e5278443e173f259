"""Measure fer-tui on a GPU, in parts: `python benchmarks/gpu.py DATA [--part NAME ...] [--batch N] [--minutes N]`.

Each part is a process with its own time limit. The most important parts run first. Their figures are printed at once,
and again at the end together with the ratios. If a part fails or exceeds its limit, the others still run. `--minutes`
limits the total time. The script names the parts that did not run, and `--part` runs them in another call. DATA is a
folder of faces, or fer2013.csv. To test the script without a GPU, use `--limit 300 --epochs 3 --seconds 1 --timeout
600`.

- `step`: fer-tui's training step on random images, with augmentation: images per second, and the seconds of the first
  call, which compiles. It is measured all in XLA, without XLA, as an XLA step in a plain loop, and with images from
  the host.
- `ours`: the installed command on DATA: images per second, the GPU's load within epochs, and the milliseconds per
  epoch that are neither training nor validation.
- `champion_auto`, `champion_xla`, `champion_plain`: the preset's 44 epochs with `jit_compile` auto, on and off:
  seconds and accuracy. With batch size 512 the learning rate is that of 64 times the square root of 8, as is usual
  for Adam.
- `start`, `quick`: seconds from the command to the table for one epoch of the champion, and for the preset quick.
  Both are measured with an empty cache folder and with the cache of the previous run.
- `fit`: a usual script with `image_dataset_from_directory`, Keras's augmentation layers and `fit`.
- `profile`: kernels per step, the proportion of time without a kernel, and the kernels that take the most time.
- `flags`: the step all in XLA with variants of XLA_FLAGS. An unknown flag ends only its own process.

A run of the champion starts with a filled cache if the same part ran before with another seed. `step` and `flags`
start with an empty cache folder. The driver's cache of compiled PTX (~/.nv/ComputeCache) is not changed. The script
is for a machine with one GPU that runs nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import gpu_runs
import gpu_steps
from gpu_steps import FIGURE, STEP_MODES, WIDTH, PartTask

# By default, XLA turns five or more kernels into a CUDA graph ("command buffer"), but not loops.
GRAPHS, SMALLEST = "--xla_gpu_enable_command_buffer", "--xla_gpu_graph_min_graph_size=1"
VARIANTS = {
    "no CUDA graphs": f"{GRAPHS}=",
    "CUDA graphs of loops too": f"{GRAPHS}=+WHILE,+CONDITIONAL",
    "CUDA graphs of loops, unrolled": (f"{GRAPHS}=+WHILE,+CONDITIONAL --xla_gpu_command_buffer_unroll_loops=true"),
    "CUDA graphs of any size": SMALLEST,
    "concurrent CUDA graphs": f"{SMALLEST} --xla_gpu_command_buffer_scheduling_mode=CONCURRENT",
    "more CUDA graphs kept": "--xla_cmd_buffer_trace_cache_size=64",
    "no autotuning": "--xla_gpu_autotune_level=0",
    "compiled in parallel": (
        "--xla_gpu_enable_llvm_module_compilation_parallelism=true --xla_gpu_force_compilation_parallelism=16"
    ),
}


@dataclass(frozen=True)
class Part:
    """A part of the benchmark, which runs in its own process.

    Attributes:
        name: name of the part's function in gpu_steps or gpu_runs.
        batch: images per step.
        limit: time limit in seconds.
        seed: the run's seed.
        variant: key of VARIANTS, or empty.
    """

    name: str
    batch: int
    limit: float = 120
    seed: int = 1
    variant: str = ""

    @property
    def title(self) -> str:
        """The part's name in the output."""
        seed = f", seed {self.seed}" if self.name.startswith("champion") else ""
        return f"{self.name} {self.batch}{seed}{', ' + self.variant if self.variant else ''}"


PARTS = (
    Part("step", 512),
    Part("ours", 512),
    Part("champion_auto", 64),
    Part("champion_xla", 512),
    Part("ours", 64),
    Part("start", 64),
    Part("champion_auto", 64, seed=2),
    Part("champion_xla", 512, seed=2),
    Part("step", 64),
    Part("profile", 512),
    Part("profile", 64),
    Part("fit", 512),
    Part("fit", 64),
    Part("champion_plain", 512),
    Part("champion_plain", 512, seed=2),
    Part("quick", 64),
    *(Part("flags", batch, 75, variant=variant) for batch in (64, 512) for variant in VARIANTS),
    # This part takes more than two minutes, so it runs last.
    Part("champion_plain", 64, 360),
)
NAMES = tuple(dict.fromkeys(part.name for part in PARTS))
# Parts that print compile times. They start without cached programs.
COLD = ("step", "flags")


def main() -> None:
    """Run the selected parts and print the figures. With `--task`, run one part in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of faces, or fer2013.csv")
    parser.add_argument(
        "--part", action="append", choices=["all", *NAMES], help="part to run; can be repeated (default: all)"
    )
    parser.add_argument("--batch", type=int, help="run only this batch size, which can be any")
    parser.add_argument("--seed", type=int, help="run only this seed")
    parser.add_argument("--minutes", type=float, default=1e6, help="time limit of all parts together")
    parser.add_argument("--timeout", type=float, help="time limit of each part in seconds")
    parser.add_argument("--limit", type=int, help="number of training images")
    parser.add_argument("--epochs", type=int, help="epochs of each run")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds for which a rate is measured")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        [name] = asked.part
        function = getattr(gpu_runs, name, None) or getattr(gpu_steps, name)
        function(PartTask(**json.loads(asked.task)))
        return
    end, lines = time.monotonic() + 60 * asked.minutes, []
    for part in chosen(asked.part or ["all"], asked.batch, asked.seed):
        left = min(asked.timeout or part.limit, end - time.monotonic())
        print(f"\n{part.title}", flush=True)
        given = (asked.limit, asked.epochs, asked.seconds)
        task = PartTask(str(asked.data.absolute()), part.batch, part.seed, *given, part.variant)
        lines += [f"\n{part.title}", *(work(part, task, left) if left > 0 else ["not run: the time is up"])]
    print("\n".join(["", "=" * (WIDTH + FIGURE), *lines, "", *ratios(lines)]), flush=True)


def chosen(names: list[str], batch: int | None, seed: int | None) -> list[Part]:
    """Return the parts of these names in their order. Add parts for a batch size that PARTS does not have."""
    found = []
    for name in NAMES:
        mine = [part for part in PARTS if part.name == name and ("all" in names or name in names)]
        if batch is not None and mine:
            planned = [part for part in mine if part.batch == batch]
            mine = planned or list(dict.fromkeys(replace(part, batch=batch) for part in mine))
        found += [part for part in mine if seed is None or part.seed == seed]
    return sorted(found, key=lambda part: PARTS.index(part) if part in PARTS else len(PARTS))


def work(part: Part, task: PartTask, limit: float) -> list[str]:
    """Run a part in a process, print its lines at once, and return them together with an error and the seconds."""
    lines, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryFile("w+", errors="replace") as errors:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if part.name in COLD:
            environment["XDG_CACHE_HOME"] = cache
        if part.variant:
            environment["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {VARIANTS[part.variant]}".strip()
        process = subprocess.Popen(
            [sys.executable, __file__, task.data, "--part", part.name, "--task", json.dumps(asdict(task))],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
        )
        over = threading.Event()

        def end() -> None:
            over.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            assert process.stdout
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line.rstrip())
            # The process has closed its output and exits.
            status = process.wait()
        except BaseException:
            end()
            raise
        finally:
            timer.cancel()
        if status:
            errors.seek(0)
            last = [line.rstrip()[:300] for line in errors if line.strip()][-10:]
            why = f"ended after its limit of {limit:.0f} s" if over.is_set() else f"failed with status {status}"
            lines += [f"{part.title}: {why}", *([] if over.is_set() else last)]
            print("\n".join(lines[-1 if over.is_set() else -1 - len(last) :]), flush=True)
        lines.append(f"({time.monotonic() - began:.0f} s)")
        print(lines[-1], flush=True)
    return lines


def ratios(lines: list[str]) -> Iterator[str]:
    """Yield the ratios of figures that were both measured."""
    rates: dict[str, float] = {}
    for line in lines:
        if found := re.match(rf"(.{{{WIDTH}}}) *([\d.,]+) images/s", line):
            rates[found[1].strip()] = float(found[2].replace(",", ""))
    for batch in sorted(int(found[1]) for name in rates if (found := re.fullmatch(r"ours (\d+)", name))):
        ours = rates[f"ours {batch}"]
        step_alone, plain = rates.get(f"step {batch}, {STEP_MODES[0].name}"), rates.get(f"plain fit {batch}")
        if step_alone:
            yield f"ours {batch} is {ours / step_alone:.1%} of the step alone"
        if plain:
            yield f"ours {batch} is {ours / plain:.1f} times plain fit"


if __name__ == "__main__":
    main()
