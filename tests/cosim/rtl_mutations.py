"""Break the RTL in one place at a time and see that golden vectors notice: `python tests/cosim/rtl_mutations.py`.

Natural and adversarial vectors of a few tiny chips are exported once; the RTL as it is must pass all of them. Then each
mistake is made in a copy and must be caught: a mismatch, a hang, or a failing check within the RTL. A mistake that does
not compile is a defect of this file. Exits 1 if one survives.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from neuro_emu.api.rtl import golden_sets
from neuro_emu.config.experiment import Experiment, load_text
from neuro_emu.cosim.mismatch import Mismatch
from neuro_emu.cosim.session import cosimulate
from neuro_emu.cosim.testbench import TestbenchSimulator
from neuro_emu.golden.build import Build
from neuro_emu.golden.export import export, read_vectors
from neuro_emu.golden.sets import VectorSet

HEAD = "name: {}\ndataset: {{name: synthetic, train: 20, test: 10}}\n"
CHIPS = {
    "label": """
network:
  layers:
    - dense: {units: 10, activation: hard_tanh, weight: s8f8, output: s8f7, table_frac: 5, delta: s4f3}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, delta: s4f3}
  initial_weights: random
training: {rule: drtp, epochs: 1, lr_shift: {hidden: 3, output: 3}}
numerics: {feedback: {format: s6f4}, accumulator: {bits: 20}}
machine: {lanes: 4, zero_input: skip}
""",
    "tables": """
network:
  layers:
    - dense: {units: 7, activation: tanh, weight: s8f7, output: s8f7, delta: s8f7, projection: s7f5}
    - dense: {units: 5, activation: tanh_relu, weight: s7f5, output: u7f7, table_frac: 5, delta: s6f5}
    - dense: {units: 10, activation: sigmoid, weight: s8f6, output: u8f8, delta: s8f7}
  initial_weights: random
training: {rule: dfa, epochs: 1, seed: 2654435769, lr_shift: {hidden: 2, output: 3}}  # lane 0 would start at 0
numerics: {feedback: {format: s6f4}, random_words: lane_xorshift}
machine: {lanes: 3, weight_banks: 4, activation_units: 2, zero_input: gate}
""",
    "signs": """
network:
  layers:
    - dense: {units: 6, activation: hard_tanh, weight: s7f6, output: s6f5, table_frac: 4, delta: s6f4}
    - dense: {units: 10, activation: sigmoid, weight: s8f6, output: u7f6, delta: s6f6}
  initial_weights: random
training: {rule: sdfa, epochs: 1, lr_shift: {hidden: 2, output: 3}, error_gate: 3, sign_dead_zone: 32}
numerics:
  feedback: {format: s4f3}
  update_rounding: TRN_ZERO
  overflow: WRAP
  accumulator: {bits: 18, overflow: WRAP}
machine: {lanes: 4, zero_input: none}
""",
    "even": """
network:
  layers:
    - dense: {units: 7, activation: identity, weight: s6f5, output: s7f5, delta: s8f6, projection: s7f4}
    - dense: {units: 6, activation: hard_tanh, weight: s7f5, output: s6f4, table_frac: 3, delta: s7f6}
    - dense: {units: 10, activation: sigmoid, weight: s8f6, output: u8f8, delta: s9f8}
  initial_weights: random
training: {rule: dfa, epochs: 1, lr_shift: {hidden: 2, output: 2}}
numerics: {feedback: {format: s8f7}, update_rounding: RND_CONV, accumulator: {bits: 15}}
machine: {lanes: 4, weight_banks: 1, zero_input: skip}
""",
    "batch": """
network:
  layers:
    - dense: {units: 6, activation: hard_tanh, weight: s8f8, output: s3f1, table_frac: 5, delta: s5f4}
    - dense: {units: 10, activation: sigmoid, weight: s9f7, output: u8f8, delta: s6f5}
  initial_weights: random
training: {rule: drtp, epochs: 1, batch: 3, lr_shift: {hidden: 3, output: 3}}
numerics: {feedback: {format: s5f4}, random_words: lane_lfsr}
machine: {lanes: 4, zero_input: skip}
""",
    "gated": """
network:
  layers:
    - dense: {units: 7, activation: hard_tanh, weight: s8f8, output: s2f0, table_frac: 5, delta: s5f3}
    - dense: {units: 10, activation: sigmoid, weight: s10f8, output: u8f8, delta: s6f5}
  initial_weights: random
training: {rule: drtp, epochs: 1, lr_shift: {hidden: 3, output: 3}, error_gate: 100}
numerics: {feedback: {format: s5f4}, random_words: row_lfsr}
machine: {lanes: 3, zero_input: none}
""",
    "units": """
network:
  layers:
    - dense: {units: 9, activation: relu, weight: s8f7, output: s8f5, delta: s6f4}
    - dense: {units: 10, activation: sigmoid, weight: s9f7, output: u8f8, delta: s7f6}
  initial_weights: random
training: {rule: drtp, epochs: 1, lr_shift: {hidden: 3, output: 3}}
numerics: {feedback: {format: s6f3}, update_rounding: RND}
machine: {lanes: 4, activation_units: 3, zero_input: skip}
""",
}

# One mistake: its name, the chip that is tried first, the file; below, texts that occur once => what replaces each.
TABLE = """
RND truncates | units | ops/nemu_round_shift.sv
  Rnd:     addend = half; => Rnd:     addend = 31'd0;
RND rounds ties down | units | ops/nemu_round_shift.sv
  Rnd:     addend = half; => Rnd:     addend = half - 31'(half != 31'd0);
RND_CONV rounds ties up | even | ops/nemu_round_shift.sv
  half - 31'd1 + 31'(odd) => half
RND_CONV rounds ties to odd | even | ops/nemu_round_shift.sv
  half - 31'd1 + 31'(odd) => half - 31'd1 + 31'(!odd)
TRN_ZERO truncates | signs | ops/nemu_round_shift.sv
  negative ? below : 31'd0 => 31'd0
TRN_ZERO is one too high | signs | ops/nemu_round_shift.sv
  negative ? below : 31'd0 => negative ? below + 31'd1 : 31'd0
STOCH ignores the word | label | ops/nemu_round_shift.sv
  Stoch:   addend = drawn; => Stoch:   addend = 31'd0;
draw takes a bit too few | label | ops/nemu_draw.sv
  (6'd32 - {1'b0, shift_i}) => (6'd33 - {1'b0, shift_i})
draw takes the low bits | label | ops/nemu_draw.sv
  31'({1'b0, word_i} >> (6'd32 - {1'b0, shift_i})) => 31'(word_i & ((32'd1 << shift_i) - 32'd1))
align without its +1 | label | ops/nemu_align.sv
  (one_bit_left + (OutW + 1)'(1)) >>> 1 => one_bit_left >>> 1
align rounds ties down | label | ops/nemu_align.sv
  code >>> 7'(shift_i - 7'sd1) => (code - OutW'(1)) >>> 7'(shift_i - 7'sd1)
left shifts are a bit short | label | ops/nemu_align.sv
  7'(-shift_i) => 7'(-shift_i - 7'sd1)
saturation only above | label | ops/nemu_saturate.sv
  if (code < low) => if (1'b0)
saturation only below | label | ops/nemu_saturate.sv
  else if (code > high) => else if (1'b0)
saturation one code early | label | ops/nemu_saturate.sv
  else if (code > high) code_o = high_i; => else if (code >= high) code_o = high_i - OutW'(1);
weights saturate symmetrically | label | core/nemu_lane_array.sv
  .weight_low_i(weight_low) => .weight_low_i(-weight_high)
wrap by masking alone | signs | ops/nemu_wrap.sv
  $signed(offset + low) => $signed(offset)
wrap span of half the size | signs | ops/nemu_wrap.sv
  $unsigned(high_i) - low; => ($unsigned(high_i) - low) >> 1;
accumulators always wrap | even | ops/nemu_accumulate.sv
  .mode_i(mode_i) => .mode_i(1'b1)
accumulators always saturate | signs | ops/nemu_accumulate.sv
  .mode_i(mode_i) => .mode_i(1'b0)
weights always wrap | label | ops/nemu_add_step.sv
  .mode_i(mode_i) => .mode_i(1'b1)
weights always saturate | signs | ops/nemu_add_step.sv
  .mode_i(mode_i) => .mode_i(1'b0)
projections clamp like accumulators | even | core/nemu_lane.sv
  exact_i ? Lowest : acc_low_i => acc_low_i
  exact_i ? ~Lowest : acc_high_i => acc_high_i
xorshift by 16 instead of 17 | label | ops/nemu_xorshift.sv
  (a >> 17) => (a >> 16)
LFSR tap changed | gated | ops/nemu_lfsr.sv
  32'h8020_0003 => 32'h8020_0002
lane seeds count from 0 | tables | core/nemu_random.sv
  32'((l + 1) * 64'h9E37_79B9) => 32'(l * 64'h9E37_79B9)
a lane register may start at 0 | tables | core/nemu_random.sv
  (seed == 32'd0) ? 32'd1 : seed => seed
words mixed with the lane's number | label | core/nemu_random.sv
  .word_i(neuron_i + 32'(l)) => .word_i(32'(l))
words of the row LFSR not mixed | gated | core/nemu_random.sv
  (source_i == RowWord) || (source_i == RowLfsr) => (source_i == RowWord)
mirror keeps the half-words | label | ops/nemu_bit_reverse.sv
  {halves[15:0], halves[31:16]} => halves
later groups draw new words | label | core/nemu_random.sv
  first_group_i ? row_q[layer] : start_q => row_q[layer]
row registers are not saved | label | core/nemu_random.sv
  else if (finish_i) row_q[layer] <= work_q; =>
words one draw late | label | core/nemu_lane_array.sv
  assign draw    = => always_ff @(posedge clk_i) draw <=
zero rows draw | gated | core/nemu_lane_array.sv
  update1_i && !keep1_q && draws_o => update1_i && draws_o
rows go to the bank before theirs | label | ops/nemu_bank_of.sv
  BanksW'(address_i) & => (BanksW'(address_i) - BanksW'(1)) &
writes go to the bank of the row behind | label | core/nemu_row_path.sv
  BankW'(host_bank_i) : bank3_q => BankW'(host_bank_i) : bank2_q
writes go to the address of the row behind | label | core/nemu_row_path.sv
  AddressW'(host_address_i) : address3_q => AddressW'(host_address_i) : address2_q
all layers share their weights | label | core/nemu_row_path.sv
  weight_base_i + (row_address >> banks_log2_i) => row_address >> banks_log2_i
groups overlap by a row | label | core/nemu_sequencer.sv
  row_base_q + WideW'(inputs_i) + WideW'(1) => row_base_q + WideW'(inputs_i)
updates drain a cycle short | label | core/nemu_sequencer.sv
  UpdateDrain = 2'd3 => UpdateDrain = 2'd2
forward passes drain a cycle short | label | core/nemu_sequencer.sv
  ForwardDrain = 2'd2 => ForwardDrain = 2'd1
bank conflicts are ignored | label | core/nemu_sequencer.sv
  wants && !(conflict_i && state_q != Forward) => wants
a conflict is seen a cycle early | label | core/nemu_row_path.sv
  update3_q && (bank3_q == BankW'(bank)) => update2_q && (bank2_q == BankW'(bank))
a zero row is found again | label | core/nemu_row_finder.sv
  & (32'hFFFF_FFFF << index[4:0]) =>
rows are found in the next layer's codes | label | core/nemu_row_finder.sv
  && row < inputs_i ? row : inputs_i => ? row : inputs_i
codes of earlier samples count | label | core/nemu_code_memory.sv
  if (write_i[u]) => if (write_i[u] && !nonzero_q[windex_i + IndexW'(u)])
codes go to mirrored banks | units | core/nemu_code_memory.sv
  BankW'(b) - BankW'(windex_i) => BankW'(windex_i) - BankW'(b)
a batch's end skips zero rows | batch | core/nemu_core.sv
  (cfg_zero_input == 2'd2) && !apply => (cfg_zero_input == 2'd2)
a bias row may be kept | tables | core/nemu_sequencer.sv
  !bias_o && !nonzero_i && (state_q != Apply) => !nonzero_i && (state_q != Apply)
the gate opens at its border | gated | core/nemu_output_stage.sv
  (error > error_gate_i) => (error >= error_gate_i)
the gate is always open | gated | core/nemu_sequencer.sv
  waits_i && gate_open_i => waits_i
inference learns | label | core/nemu_sequencer.sv
  learn_q <= sample_learn_i => learn_q <= 1'b1
ties go to the last class | label | core/nemu_output_stage.sv
  candidate > best_d => candidate >= best_d
the largest accumulator is kept for the next sample | label | core/nemu_output_stage.sv
  found_d && !start_i => found_d
the label hits its lane in every group | label | core/nemu_output_stage.sv
  (code_first_o + RowW'(u)) == label_i => (beat_q + RowW'(u)) == label_i
label row of another class | label | core/nemu_core.sv
  project ? class_index : label_q; => project ? class_index : label_q ^ 17'd1;
later groups take the first group's label rows | label | core/nemu_core.sv
  cfg_layer_feedback_base + feedback_base + => cfg_layer_feedback_base +
y* and y exchanged | label | core/nemu_output_stage.sv
  (CodeW + 1)'(target) - (CodeW + 1)'(y) => (CodeW + 1)'(y) - (CodeW + 1)'(target)
dead zone open at its border | signs | ops/nemu_ternary_sign.sv
  error_i > dead_zone_i => error_i >= dead_zone_i
dead zone on one side only | signs | ops/nemu_ternary_sign.sv
  error_i < -dead_zone_i => error_i < 0
sign of large errors inverted | signs | ops/nemu_ternary_sign.sv
  sign_o = 2'sd1; => sign_o = -2'sd1;
hard tanh is open at 1 | label | core/nemu_linear_slope.sv
  (q_i < one) => (q_i <= one)
hard tanh is open at -1 | label | core/nemu_linear_slope.sv
  (q_i > -one) => (q_i >= -one)
relu is open at 0 | units | core/nemu_linear_slope.sv
  q_i > 8'sd0 => q_i >= 8'sd0
hard tanh bends too early | label | core/nemu_linear_activation.sv
  ? one : 8'sd127 => ? one - 8'sd1 : 8'sd127
padding lanes keep an older delta | label | core/nemu_lane.sv
  if (!valid_i)          delta_q <= '0; => if (1'b0)          delta_q <= '0;
padding lanes take part | units | core/nemu_output_stage.sv
  (lane < valid_i) => (lane < RowW'(Lanes))
the bias code is one less | label | core/nemu_lane_array.sv
  bias1_q ? bias_code_i : => bias1_q ? bias_code_i - CodeW'(1) :
pre-activations are not kept | even | core/nemu_output_stage.sv
  waits_i ? kept_rdata[l*8 +: 8] : => 1'b0 ? kept_rdata[l*8 +: 8] :
pre-activations of the first layer are taken | even | core/nemu_sequencer.sv
  kept_start_q[layer_before] => kept_start_q[0]
activation tables of layer 0 | tables | core/nemu_activation_unit.sv
  TableW'({layer_i, address}) => TableW'(address)
derivative tables of layer 0 | tables | core/nemu_activation_unit.sv
  TableW'({layer_i, derive_address}) => TableW'(derive_address)
projection shift off by one | tables | core/nemu_lane.sv
  .shift_i(project_shift_i) => .shift_i(project_shift_i + 7'sd1)
error shift off by one | label | core/nemu_output_stage.sv
  .shift_i(error_shift_i) => .shift_i(error_shift_i - 7'sd1)
projections leave the last class out | tables | core/nemu_sequencer.sv
  if (position_d == classes_i) => if (position_d + RowW'(1) == classes_i)
lanes reversed | label | core/nemu_lane_array.sv
  .acc_o(acc_o[l*AccW +: AccW]) => .acc_o(acc_o[(Lanes-1-l)*AccW +: AccW])
layers of a batch in descending order | batch | core/nemu_sequencer.sv
  (waits_i || !hidden_learns) ? 4'(layers_i - 5'd1) : 4'd0 => 4'(layers_i - 5'd1)
  if (waits_i && layer_q != 4'd0) layer_d => if (layer_q != 4'd0) layer_d
  else if (!waits_i && !last_layer) => else if (1'b0)
a batch is full a sample early | batch | core/nemu_sequencer.sv
  fill_q + RowW'(1) == batch_i => fill_q + RowW'(2) == batch_i
sums are kept after a batch | batch | core/nemu_lane.sv
  gradient_o <= apply_i ? '0 : => gradient_o <= apply_i ? gradient_q :
"""

SAMPLES = 5
MOST_CAUSES = 3  # that are shown
TESTBENCH, PATIENCE = "nemu_testbench.sv", "Patience = 4000000"
NO_LINT = "`verilator_config\n" + "".join(
    f"lint_off -rule {rule}\n" for rule in ("UNUSEDSIGNAL", "UNUSEDPARAM", "WIDTHTRUNC", "WIDTHEXPAND", "CMPCONST")
)


@dataclass(frozen=True)
class Mutation:
    """One mistake: (text, what replaces it) in a file of rtl_models; the text occurs exactly once."""

    name: str
    chip: str
    file: str
    edits: list[tuple[str, str]] = field(default_factory=list)

    def apply(self, source: str) -> str:
        """ValueError if a text is not found exactly once, i.e. the mutation needs to be rewritten."""
        for old, new in self.edits:
            if source.count(old) != 1:
                raise ValueError(f"{self.name}: {self.file} has {source.count(old)} times {old!r}")
            source = source.replace(old, new)
        return source


def mutations() -> list[Mutation]:
    """Read the table."""
    found: list[Mutation] = []
    for line in TABLE.strip().splitlines():
        if line.startswith("  "):
            old, new = line[2:].split(" =>")
            found[-1].edits.append((old, new.removeprefix(" ")))
        else:
            found.append(Mutation(*line.split(" | ")))
    return found


@dataclass(frozen=True)
class Bench:
    """A chip and its exported vectors."""

    experiment: Experiment
    folder: Path
    sources: list[Path]
    sets: list[VectorSet]

    @classmethod
    def of(cls, name: str, root: Path) -> Bench:
        experiment, folder = load_text(HEAD.format(name) + CHIPS[name], name), root / name
        sets = golden_sets(experiment, samples=SAMPLES)
        export(experiment, folder, sets)
        text = (folder / TESTBENCH).read_text(encoding="utf-8")
        longest = max(max(vectors.golden.cycles) for vectors in sets)
        assert text.count(PATIENCE) == 1
        (root / f"{name}_testbench").mkdir()
        hasty, quiet = root / f"{name}_testbench" / TESTBENCH, root / f"{name}.vlt"
        hasty.write_text(text.replace(PATIENCE, f"Patience = {20_000 + 2 * longest}"), encoding="utf-8")
        quiet.write_text(NO_LINT, encoding="utf-8")
        sources = [hasty if path.name == TESTBENCH else path for path in read_vectors(folder).sources]
        return cls(experiment, folder, [quiet, *sources], sets)

    def mismatch(self, icarus: bool, mutant: Path | None = None) -> Mismatch | None:
        """Run all sets up to the first mismatch; *mutant* replaces the file of its name."""
        chip = self.experiment.chip
        sources = [mutant if mutant and path.name == mutant.name else path for path in self.sources]
        simulator = TestbenchSimulator(chip, Build.of(chip), self.folder, sources, icarus)
        return cosimulate(chip, simulator, self.sets).mismatch


def verdict(mutation: Mutation, benches: dict[str, Bench], root: Path, icarus: bool) -> tuple[bool, str]:
    """Whether *mutation* is caught, and a line that says by what."""
    source = benches[mutation.chip].folder / "rtl" / Path(mutation.file).name
    folder = Path(tempfile.mkdtemp(dir=root))
    mutant = folder / source.name
    mutant.write_text(mutation.apply(source.read_text(encoding="utf-8")), encoding="utf-8")
    order = sorted(benches, key=lambda name: name != mutation.chip)
    for name in order:
        try:
            found = benches[name].mismatch(icarus, mutant)
        except Exception as error:  # it does not compile, or the tools stumble over what it shows
            return False, f"DEFECT    {name}: {type(error).__name__}: {error}"
        if found:
            number = "" if found.expected is None else f" {found.expected} -> {found.got}"
            more = [f"and {len(found.cause) - MOST_CAUSES} more"] if len(found.cause) > MOST_CAUSES else []
            cause = "; ".join([*found.cause[:MOST_CAUSES], *more]) or f"no cause named ({found.note})"
            return True, f"caught by {name}/{found.vectors}: {found.what}{number}; {cause}"
    return False, f"SURVIVED  {', '.join(order)}"


def main() -> int:
    """Run all mutations and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulator", choices=("icarus", "verilator"), default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="mutations whose name contains this text, and their chips")
    options = parser.parse_args()
    icarus = (options.simulator or ("icarus" if shutil.which("iverilog") else "verilator")) == "icarus"
    chosen = [m for m in mutations() if options.only in m.name]
    chips = [name for name in CHIPS if not options.only or name in {m.chip for m in chosen}]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="neuro-emu-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        root = Path(folder)
        os.environ["NEURO_EMU_RTL_CACHE"] = str(root / "cache")
        benches = dict(zip(chips, pool.map(lambda name: Bench.of(name, root), chips), strict=True))
        for name, mismatch in zip(benches, pool.map(lambda b: b.mismatch(icarus), benches.values()), strict=True):
            if mismatch:
                print(f"the RTL as it is fails the vectors of {name}: {mismatch}")
                return 1
        print(f"the RTL as it is passes {sum(len(b.sets) for b in benches.values())} sets", flush=True)
        width = max((len(m.name) for m in chosen), default=0)
        caught = 0
        lines = pool.map(lambda m: verdict(m, benches, root, icarus), chosen)
        for mutation, (found, line) in zip(chosen, lines, strict=True):
            caught += found
            print(f"{mutation.name:{width}}  {line}", flush=True)
    print(f"{caught} of {len(chosen)} mutations caught in {time.monotonic() - start:.0f} s")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
