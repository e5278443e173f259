"""What a GPU does with fer-tui, in parts: `python benchmarks/gpu.py DATA [--part NAME ...] [--batch N] [--minutes N]`.

Each part is a process with a time limit of its own, the most important first; its figures are printed as they come, and
all of them again at the end, with the ratios. A part that fails or takes too long costs itself alone. `--minutes` ends
the whole: what did not fit is named, and `--part` asks for it in another call. DATA is a folder of faces, or
fer2013.csv. Without a GPU everything runs too: `--limit 300 --epochs 3 --seconds 1 --timeout 600` tries it.

- `step`: our training step alone on random images, augmentation included: images a second, and the seconds of the
  first call, which compiles. All in XLA; without XLA; an XLA step in a plain loop; images from the host.
- `ours`: the installed command on DATA: images a second, how busy the GPU is within epochs, and the milliseconds of an
  epoch that are neither training nor validation.
- `champion_auto`, `champion_xla`, `champion_plain`: the preset's 44 epochs with `jit_compile` auto, on and off: seconds
  and accuracy. Batch 512 has the learning rate of 64 times the square root of 8, as is usual for Adam.
- `start`, `quick`: seconds from the command to the table of one epoch of the champion, and of the preset quick, with an
  empty cache folder and with what the run before left there.
- `fit`: what people write: `image_dataset_from_directory`, Keras's augmentation layers, plain `fit`.
- `profile`: kernels a step, the share of time without one, the longest kernels.
- `flags`: all in XLA under variants of XLA_FLAGS; an unknown flag ends that process only.

A run of the champion is warm where the same part ran before with another seed. `step` and `flags` begin with an empty
cache folder. What the driver keeps of compiled PTX (~/.nv/ComputeCache) is left as it is. For a machine with one GPU
and nothing else to do.
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

# Other than by default, where five kernels or more become a CUDA graph (XLA: "command buffer"), and loops do not.
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
    """A process.

    Attributes:
        name: of its function in gpu_steps or gpu_runs.
        batch: images a step.
        limit: seconds that it may take.
        seed: of its run.
        variant: key of VARIANTS.
    """

    name: str
    batch: int
    limit: float = 120
    seed: int = 1
    variant: str = ""

    @property
    def title(self) -> str:
        """For people."""
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
    # What two minutes do not hold comes last.
    Part("champion_plain", 64, 360),
)
NAMES = tuple(dict.fromkeys(part.name for part in PARTS))
# Parts whose compile times are told: they find no program that was kept.
COLD = ("step", "flags")


def main() -> None:
    """Run the parts that are asked for and print the table, or work on a part for that."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of faces, or fer2013.csv")
    parser.add_argument(
        "--part", action="append", choices=["all", *NAMES], help="several may be given; all unless told"
    )
    parser.add_argument("--batch", type=int, help="this batch size alone; one that is not planned is measured too")
    parser.add_argument("--seed", type=int, help="this seed alone")
    parser.add_argument("--minutes", type=float, default=1e6, help="of all parts together")
    parser.add_argument("--timeout", type=float, help="seconds of a part, in place of its own limit")
    parser.add_argument("--limit", type=int, help="images to train on")
    parser.add_argument("--epochs", type=int, help="of the runs")
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring a rate")
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
        lines += [f"\n{part.title}", *(work(part, task, left) if left > 0 else ["not run: the minutes are over"])]
    print("\n".join(["", "=" * (WIDTH + FIGURE), *lines, "", *ratios(lines)]), flush=True)


def chosen(names: list[str], batch: int | None, seed: int | None) -> list[Part]:
    """The parts of these names, in their order; of a batch size that none of a name has, they are made."""
    found = []
    for name in NAMES:
        mine = [part for part in PARTS if part.name == name and ("all" in names or name in names)]
        if batch is not None and mine:
            planned = [part for part in mine if part.batch == batch]
            mine = planned or list(dict.fromkeys(replace(part, batch=batch) for part in mine))
        found += [part for part in mine if seed is None or part.seed == seed]
    return sorted(found, key=lambda part: PARTS.index(part) if part in PARTS else len(PARTS))


def work(part: Part, task: PartTask, limit: float) -> list[str]:
    """Run a part, print its lines as they come, and return them with how it ended."""
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
            # It has closed its output: what is left is to end.
            status = process.wait()
        except BaseException:
            end()
            raise
        finally:
            timer.cancel()
        if status:
            errors.seek(0)
            last = [line.rstrip()[:300] for line in errors if line.strip()][-10:]
            why = f"ended after its {limit:.0f} s" if over.is_set() else f"failed with status {status}"
            lines += [f"{part.title}: {why}", *([] if over.is_set() else last)]
            print("\n".join(lines[-1 if over.is_set() else -1 - len(last) :]), flush=True)
        lines.append(f"({time.monotonic() - began:.0f} s)")
        print(lines[-1], flush=True)
    return lines


def ratios(lines: list[str]) -> Iterator[str]:
    """What is held against each other, where both sides were measured."""
    rates: dict[str, float] = {}
    for line in lines:
        if found := re.match(rf"(.{{{WIDTH}}}) *([\d.,]+) images/s", line):
            rates[found[1].strip()] = float(found[2].replace(",", ""))
    for batch in sorted(int(found[1]) for name in rates if (found := re.fullmatch(r"ours (\d+)", name))):
        ours = rates[f"ours {batch}"]
        step_alone, plain = rates.get(f"step {batch}, {STEP_MODES[0].name}"), rates.get(f"plain fit {batch}")
        if step_alone:
            yield f"ours {batch} is {ours / step_alone:.1%} of our step alone"
        if plain:
            yield f"ours {batch} is {ours / plain:.1f} times plain fit"


if __name__ == "__main__":
    main()
