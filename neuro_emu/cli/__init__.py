"""The command `neuro-emu`: verbs, options and exit codes. Heavy modules are imported by the verb that needs them.

Exit codes: 0 fine; 1 a check failed; 2 bad input.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from neuro_emu import __version__
from neuro_emu.cli.analyse import add_analyse, analyse
from neuro_emu.cli.estimate import add_chips, add_estimate, add_technologies, chips, estimate, technologies
from neuro_emu.cli.external import add_external, external
from neuro_emu.cli.networks import add_networks, networks
from neuro_emu.cli.papers import add_papers, papers
from neuro_emu.cli.rules import add_compare, add_rules, compare, rules
from neuro_emu.cli.vectors import add_cosim, add_golden, cosim, golden
from neuro_emu.errors import MismatchError, NeuroEmuError, OverflowDetected

if TYPE_CHECKING:
    from neuro_emu.config.experiment import Experiment
    from neuro_emu.datasets import Dataset
    from neuro_emu.report.progress import ProgressLine
    from neuro_emu.training.engines import Engine
    from neuro_emu.training.finished import Run

_DESCRIPTION = "Emulates fixed-point chips that learn on line: integers from the first sample to the last."
_SET_HELP = "override one setting, e.g. --set training.epochs=2; may be repeated"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without µ shows ?, it does not fail
    try:
        try:
            args = _parser().parse_args(arguments)
            return _execute(args)
        finally:
            sys.stdout.flush()  # here, where a reader that went away is noticed
    except BrokenPipeError:
        # The reader of our output went away (`neuro-emu … | head`); what is left to say has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _execute(args: argparse.Namespace) -> int:
    verb: Callable[[argparse.Namespace], int] = args.verb
    try:
        return verb(args)
    except (OverflowDetected, MismatchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except NeuroEmuError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="neuro-emu", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"neuro_emu {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_run(verbs.add_parser("run", help="train a chip and write a run directory", description=_run.__doc__))
    check = verbs.add_parser(
        "check", help="check configurations and print the resolved settings", description=_check.__doc__
    )
    check.add_argument("configs", nargs="+", type=Path, metavar="CONFIG")
    check.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_SET_HELP)
    check.add_argument(
        "--quiet", action="store_true", help="say only whether each is fine (default: print the settings)"
    )
    check.add_argument("--expand", action="store_true", help="print the layers that a preset stands for in its place")
    check.set_defaults(verb=_check)
    test = verbs.add_parser("eval", help="test the saved weights of a run", description=_eval.__doc__)
    test.add_argument("run", type=Path, metavar="RUN", help="run directory")
    test.add_argument(
        "--data", metavar="NAME_OR_DIR", help="another data set, by name or by directory (default: the run's)"
    )
    test.add_argument("--json", action="store_true", help="print the record as JSON")
    test.set_defaults(verb=_eval)
    add_golden(verbs.add_parser("golden", help="export golden vectors for an RTL", description=golden.__doc__))
    add_cosim(verbs.add_parser("cosim", help="compare the RTL with the emulator", description=cosim.__doc__))
    data = verbs.add_parser("data", help="list, fetch, locate and verify data sets")
    _add_data(data)
    add_rules(verbs.add_parser("rules", help="list the learning rules", description=rules.__doc__))
    add_networks(verbs.add_parser("networks", help="list networks by name", description=networks.__doc__))
    add_compare(verbs.add_parser("compare", help="train several rules on one chip", description=compare.__doc__))
    add_papers(verbs.add_parser("papers", help="run published experiments again", description=papers.__doc__))
    add_estimate(verbs.add_parser("estimate", help="energy and area of a chip", description=estimate.__doc__))
    traffic = verbs.add_parser("external", help="external memory, rule by rule", description=external.__doc__)
    add_external(traffic)
    add_chips(verbs.add_parser("chips", help="published chips against their estimates", description=chips.__doc__))
    table = verbs.add_parser("technologies", help="constants behind estimates", description=technologies.__doc__)
    add_technologies(table)
    add_analyse(verbs.add_parser("analyse", help="see why feedback aligns", description=analyse.__doc__))
    schema = verbs.add_parser("schema", help="print the JSON Schema of configurations", description=_schema.__doc__)
    schema.set_defaults(verb=_schema)
    warm = verbs.add_parser("warmup", help="compile the kernels now", description=_warmup.__doc__)
    warm.set_defaults(verb=_warmup)
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, e.g. configs/drtp_mnist.yaml")
    run.add_argument("--out", type=Path, metavar="DIR", help="run directory (default: runs/NAME-seedN-DIGEST)")
    run.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_SET_HELP)
    run.add_argument("--seeds", type=int, default=1, metavar="N", help="train N seeds and give mean ± sd (default: 1)")
    run.add_argument(
        "--datapath",
        choices=("fast", "traced", "float"),
        default="fast",
        help="fast: compiled; traced: the same integers, access by access; float: the float twin (default: fast)",
    )
    run.add_argument(
        "--backend",
        choices=("auto", "plain", "portable", "vector"),
        default="auto",
        help="kernels of the fast datapath, the same integers: vector needs AVX2 or AVX-512 (default: auto)",
    )
    run.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="of the fast datapath, the same integers for any N: seeds side by side, which uses cores best, or else"
        " tiles of label-only rules and parts of tests, both in vector kernels alone, and batches of networks with"
        " convolutions (default: 1)",
    )
    run.add_argument(
        "--diagnose",
        action="store_true",
        help="train the float twin too (slow) and write what happens inside both: angles to backpropagation, norms,"
        " effective rates, steps lost to rounding",
    )
    run.add_argument("--json", action="store_true", help="print the final record as JSON instead of the summary")
    run.set_defaults(verb=_run)


def _add_data(data: argparse.ArgumentParser) -> None:
    from neuro_emu.datasets import command

    command.configure(data)
    data.set_defaults(verb=command.execute)


def _run(args: argparse.Namespace) -> int:
    """Train and test a chip; write config.yaml, metrics.json, weights.npz, summary.txt, curves.svg."""
    from neuro_emu import api
    from neuro_emu.files import json_text
    from neuro_emu.training.means import Means

    if args.seeds < 1:
        raise NeuroEmuError(f"--seeds {args.seeds}: train at least one seed")
    if args.threads < 1:
        raise NeuroEmuError(f"--threads {args.threads}: at least one thread")
    Means(args.backend, args.threads).check(args.datapath)
    experiment = api.load(args.config, args.set)
    warn(experiment.warnings)
    base = args.out or Path("runs") / _directory_name(experiment, args)
    Thread(target=import_module, args=("neuro_emu.training.engines",), daemon=True).start()  # while data are read
    data = load_data_shown(experiment)
    records = []
    for finished, out in _finished(experiment, base, data, args):
        records.append(finished.metrics)
        if not args.json:
            from neuro_emu.report.diagnosis_text import diagnosis_text
            from neuro_emu.report.text import summary

            if finished.diagnosis and args.seeds == 1:
                print(diagnosis_text(finished.diagnosis))
            print(
                summary(finished) + f"wrote {out}" if args.seeds == 1 else _seed_line(finished.metrics),
                flush=True,
            )
    record = records[0]
    if args.seeds > 1:
        from neuro_emu.training.metrics import summary_of_seeds

        record = summary_of_seeds(records)
        from neuro_emu.files import write_text
        from neuro_emu.report.text import quality

        write_text(base / "metrics.json", json_text(record))
        if not args.json:
            print(
                f"{record['name']}: test {'error' if 'test_loss' in record else 'accuracy'} {quality(record)}"
                f" over {args.seeds} seeds; wrote {base}"
            )
    if args.json:
        print(json_text(record), end="")
    return 0


def _finished(
    experiment: Experiment, base: Path, data: Dataset, args: argparse.Namespace
) -> Iterator[tuple[Run, Path]]:
    """Train each seed; with several threads seeds run side by side, one thread each."""
    from concurrent.futures import ThreadPoolExecutor

    first = experiment.config.training.seed
    if args.seeds == 1:
        yield _train(experiment, base, data, args, args.threads), base
        return
    jobs = [(experiment.with_seed(seed), base / f"seed-{seed}") for seed in range(first, first + args.seeds)]
    together = min(args.threads, args.seeds)
    if together == 1:
        for chosen, out in jobs:
            yield _train(chosen, out, data, args, 1), out
        return
    with ThreadPoolExecutor(together) as pool:
        runs = pool.map(lambda job: _train(job[0], job[1], data, args, 1, shown=False), jobs)
        yield from zip(runs, (out for _, out in jobs), strict=True)


def _train(
    experiment: Experiment, out: Path, data: Dataset, args: argparse.Namespace, threads: int, *, shown: bool = True
) -> Run:
    from neuro_emu import api
    from neuro_emu.report.progress import ProgressLine
    from neuro_emu.training.means import Means

    line = ProgressLine() if shown else ProgressLine(io.StringIO())
    line.note("loading kernels (compiled once per version, half a minute) …")
    means, observe = Means(args.backend, threads), _idle_threads_noted(threads, line)
    try:
        if args.diagnose:
            from neuro_emu.api.diagnosis import run_diagnosed

            def twin_started() -> None:
                line.note("training the float twin …")

            return run_diagnosed(
                experiment,
                out,
                data=data,
                datapath=args.datapath,
                means=means,
                report=line,
                observe=observe,
                twin_started=twin_started,
            )
        return api.run(experiment, out, data=data, datapath=args.datapath, means=means, report=line, observe=observe)
    finally:
        line.close()


def _idle_threads_noted(threads: int, line: ProgressLine) -> Callable[[int, Engine], None]:
    """Return an observer of a training that says, before the first epoch, that all but one of *threads* are idle."""

    def observe(epochs_done: int, engine: Engine) -> None:
        from neuro_emu.training.engines import FastEngine

        if not epochs_done and isinstance(engine, FastEngine) and engine.threads < threads:
            line.close()
            print(
                f"note: --threads {threads} has no effect: this chip trains and tests on one thread,"
                f" in {engine.runs} kernels; only vector kernels share work",
                file=sys.stderr,
            )

    return observe


def _directory_name(experiment: Experiment, args: argparse.Namespace) -> str:
    seeds = "" if args.seeds == 1 else f"-{args.seeds}seeds"
    twin = "" if args.datapath == "fast" else f"-{args.datapath}"
    return f"{experiment.config.name}-seed{experiment.config.training.seed}{seeds}{twin}-{experiment.digest[:8]}"


def _seed_line(metrics: dict[str, object]) -> str:
    from neuro_emu.report.text import quality

    return f"seed {metrics['seed']}: test {'error' if 'test_loss' in metrics else 'accuracy'} {quality(metrics)}"


def warn(warnings: Sequence[str]) -> None:
    """Print warnings of a configuration to standard error."""
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def load_data_shown(experiment: Experiment) -> Dataset:
    """Load the data set, with a progress line on a terminal."""
    from neuro_emu import api
    from neuro_emu.datasets.progress import ProgressLine

    line = ProgressLine() if sys.stderr.isatty() else None
    try:
        return api.load_data(experiment, line)
    finally:
        if line:
            line.close()


def _check(args: argparse.Namespace) -> int:
    """Check configurations without running anything and print every setting, defaults filled in, as YAML."""
    from neuro_emu import api
    from neuro_emu.config.deep_resolve import expanded
    from neuro_emu.config.dump import dump
    from neuro_emu.report.text import is_long, memory_lines

    failed = 0
    for path in args.configs:
        try:
            experiment = api.load(path, args.set)
        except NeuroEmuError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
            continue
        warn(experiment.warnings)
        chip = experiment.chip
        fine = f"{path}: fine ({chip.network}, {chip.learning.rule.name}, config {experiment.digest})"
        if args.quiet:
            print(fine)
        else:
            config = expanded(experiment.config, chip.network.classes) if args.expand else experiment.config
            print(f"--- # {fine}\n{dump(config)}", end="")
            memories = [memory.as_dict() for memory in chip.memories()]
            print("\n" + "\n".join(f"# {line}" for line in memory_lines(memories, by_kind=is_long(chip))))
    return 2 if failed else 0


def _eval(args: argparse.Namespace) -> int:
    """Run the saved weights of a run directory on the test set: accuracy per class and confusion matrix."""
    from neuro_emu import api
    from neuro_emu.datasets import NAMES
    from neuro_emu.files import json_text
    from neuro_emu.report.evaluation import evaluation

    overrides = []
    if args.data:
        if args.data in NAMES:
            overrides = [f"dataset.name={args.data}", "dataset.path=null"]
        else:
            overrides = [f"dataset.path={json.dumps(args.data)}"]
    record = api.evaluate(args.run, overrides)
    print(json_text(record) if args.json else evaluation(record), end="")
    return 0


def _schema(_args: argparse.Namespace) -> int:
    """Print the JSON Schema of configurations, for editors."""
    from neuro_emu import api
    from neuro_emu.files import json_text

    print(json_text(api.schema()), end="")
    return 0


def _warmup(_args: argparse.Namespace) -> int:
    """Compile the kernels now, so that the first run starts at once."""
    from neuro_emu import api, jit

    print(f"compiled in {api.warm_up():.1f} s; cached in {jit.cache_root()}")
    return 0
