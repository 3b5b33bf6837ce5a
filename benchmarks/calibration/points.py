"""The points of the sweep: what is fitted to, and what is held out."""

from __future__ import annotations

from dataclasses import replace

from sweep import RTL, Point, points_of

from neuro_emu import api
from neuro_emu.golden.build import Build

_CORE = (
    "Lanes Banks Units Layers WeightW FeedbackW CodeW DeltaW AccW MidW GradientW Codes WeightRows FeedbackRows "
    "KeptGroups ErrorGroups Trace"
)


def _primitives() -> list[Point]:
    return [
        *points_of(
            "cal_multiplier",
            "A B",
            [(4, 4), (4, 9), (6, 9), (8, 8), (8, 9), (10, 9), (12, 9), (12, 12), (16, 9), (20, 9), (16, 16)],
            [(5, 9), (8, 12), (14, 9), (20, 12)],
        ),
        *points_of("cal_adder", "W", [(8,), (12,), (16,), (24,), (32,), (48,)], [(20,), (40,)]),
        *points_of("cal_subtractor", "W", [(8,), (12,), (16,), (24,), (32,), (48,)], [(20,), (40,)]),
        *points_of("cal_comparator", "W", [(8,), (12,), (16,), (24,), (32,), (48,)], [(20,), (40,)]),
        *points_of("cal_incrementer", "W", [(8,), (12,), (16,), (24,), (32,)], [(20,)]),
        *points_of(
            "cal_multiplexer", "W Ways", [(8, 2), (32, 2), (8, 4), (16, 4), (8, 8), (32, 16)], [(9, 32), (16, 8)]
        ),
        *points_of(
            "cal_shifter",
            "W Positions Both",
            [(8, 8, 0), (16, 16, 0), (24, 32, 0), (32, 32, 0), (40, 64, 0), (16, 16, 1), (32, 32, 1), (40, 64, 1)],
            [(20, 16, 0), (36, 32, 0), (24, 32, 1)],
        ),
        *points_of("cal_register", "W Enable Reset", [(8, 0, 0), (16, 1, 0), (32, 1, 0), (16, 0, 1), (32, 0, 1)], []),
        *points_of("cal_register", "W Enable Reset", [(16, 1, 1), (32, 1, 1)], [(24, 1, 1), (24, 1, 0)]),
        *points_of(
            "cal_mac", "A B AccW", [(4, 8, 16), (8, 8, 24), (8, 9, 32), (12, 9, 32), (16, 12, 40)], [(8, 12, 28)]
        ),
        *points_of(
            "cal_requantise_fixed",
            "InW OutW Shift",
            [(16, 8, 4), (24, 8, 8), (24, 8, 12), (32, 8, 8), (32, 9, 12), (32, 16, 8), (40, 12, 16)],
            [(28, 8, 10), (36, 9, 14)],
        ),
        *points_of(
            "cal_round_fixed",
            "W Shift Stochastic",
            [(17, 6, 0), (17, 10, 0), (21, 8, 0), (24, 12, 0), (17, 6, 1), (17, 10, 1), (21, 8, 1), (24, 12, 1)],
            [(20, 9, 0), (20, 9, 1)],
        ),
        *points_of("cal_saturate_fixed", "InW OutW", [(12, 8), (16, 8), (24, 8), (32, 8), (32, 16)], [(24, 12)]),
    ]


def _arithmetic() -> list[Point]:
    return [
        *points_of(
            "nemu_accumulate",
            "AccW ProductW",
            [(12, 12), (16, 12), (20, 16), (24, 16), (32, 16), (32, 21), (40, 24), (48, 29), (40, 17)],
            [(28, 18), (36, 20), (18, 14)],
        ),
        *points_of(
            "nemu_add_step",
            "WeightW StepW",
            [(4, 13), (8, 17), (8, 18), (10, 19), (12, 21), (16, 25), (20, 29), (8, 32), (12, 33)],
            [(6, 15), (14, 23), (9, 28)],
        ),
        *points_of(
            "nemu_align",
            "InW OutW",
            [(16, 24), (24, 32), (9, 33), (18, 33), (32, 33), (32, 40), (40, 48)],
            [(28, 36), (32, 48)],
        ),
        *points_of(
            "cal_weight_update",
            "WeightW StepW",
            [(4, 13), (8, 17), (12, 21), (16, 25), (20, 29), (8, 32)],
            [(10, 19), (14, 23), (6, 15)],
        ),
        *points_of("nemu_bank_of", "AddressW BanksW", [(16, 4), (16, 8), (24, 6), (24, 8), (24, 12)], []),
        *points_of(
            "nemu_overflow",
            "InW OutW",
            [(12, 8), (17, 8), (21, 12), (24, 16), (33, 32), (25, 20)],
            [(19, 10), (29, 24)],
        ),
        *points_of(
            "nemu_saturate",
            "InW OutW",
            [(8, 8), (12, 8), (17, 8), (33, 9), (33, 32), (40, 16), (48, 12)],
            [(24, 10), (40, 9)],
        ),
        *points_of("nemu_wrap", "InW OutW", [(12, 8), (17, 12), (21, 16), (25, 24), (33, 32), (48, 40)], [(21, 10)]),
        *points_of(
            "nemu_requantise",
            "InW MidW OutW",
            [
                (16, 24, 8),
                (24, 32, 8),
                (32, 33, 8),
                (32, 33, 9),
                (32, 40, 9),
                (32, 40, 16),
                (40, 41, 8),
                (48, 56, 12),
                (9, 33, 9),
                (12, 33, 12),
                (18, 33, 9),
                (8, 33, 9),
                (8, 24, 9),
                (17, 25, 9),
                (8, 33, 8),
                (10, 33, 8),
                (11, 33, 11),
                (9, 36, 9),
                (13, 40, 10),
                (16, 33, 12),
                (10, 40, 10),
                (12, 33, 9),
                (24, 33, 9),
                (9, 28, 9),
                (20, 33, 9),
                (26, 30, 10),
                (10, 33, 10),
            ],
            [
                (28, 36, 9),
                (36, 40, 10),
                (9, 33, 10),
                (13, 36, 11),
                (22, 33, 10),
                (30, 31, 9),
                (20, 28, 12),
                (32, 48, 8),
                (14, 24, 12),
            ],
        ),
        *points_of(
            "nemu_round_shift",
            "W",
            [(8,), (12,), (14,), (17,), (18,), (21,), (25,), (28,), (32,), (36,), (40,)],
            [(16,), (23,), (30,), (34,)],
        ),
    ]


def _others() -> list[Point]:
    return [
        Point("nemu_bit_reverse", {}),
        Point("nemu_draw", {}),
        Point("nemu_dropped", {}),
        Point("nemu_lfsr", {}),
        Point("nemu_xorshift", {}),
        Point("nemu_table_address", {}),
        *points_of("nemu_noise_code", "W", [(4,), (8,), (12,), (16,), (24,)], [(10,)]),
        *points_of("nemu_ternary_sign", "W", [(6,), (8,), (10,), (13,), (17,), (24,)], [(9,), (16,)]),
        *points_of("nemu_limits", "W", [(8,), (9,), (12,), (16,), (24,), (32,), (40,)], [(10,), (20,)]),
        *points_of(
            "nemu_velocity_sum",
            "VelocityW GradientW SumW",
            [(8, 16, 32), (12, 17, 40), (16, 18, 48), (16, 24, 56), (16, 32, 64), (12, 17, 32)],
            [(14, 20, 48), (10, 17, 36)],
        ),
        *points_of("nemu_root", "CodeW", [(16,), (20,), (24,), (32,), (40,), (48,)], [(28,), (36,)]),
        *points_of(
            "nemu_mean", "TotalW CountW", [(8, 2), (10, 2), (10, 3), (12, 4), (14, 4), (16, 4)], [(9, 3), (13, 4)]
        ),
        # Beyond these widths ABC takes minutes: combinational dividers, products of words that depend on each other.
        *points_of(
            "nemu_square_gap",
            "ExactW CodeW",
            [(18, 4), (20, 6), (22, 6), (24, 8), (26, 10), (28, 12)],
            [(22, 8), (25, 9)],
        ),
        *points_of("nemu_reciprocal", "TotalW", [(6,), (7,), (8,), (10,), (12,)], [(9,)]),
        *points_of("nemu_norm_factor", "GammaW SquaresW", [(3, 4), (4, 4), (5, 6), (4, 8), (6, 8)], [(4, 6), (5, 8)]),
        *(replace(point, flat=False) for point in _hold_norm()),
    ]


def _hold_norm() -> list[Point]:
    """Its two square gaps keep their boundaries: flat, ABC takes more than minutes."""
    return points_of(
        "nemu_hold_norm",
        "ExactW CodeW ShortW GammaW",
        [(18, 4, 26, 8), (20, 5, 28, 8), (20, 6, 28, 10), (22, 6, 30, 10), (24, 8, 32, 12)],
        [(19, 5, 27, 9), (22, 8, 30, 12)],
    )


def _lanes() -> list[Point]:
    names = "WeightW FeedbackW DeltaW OperandW AccW MidW GradientW"
    return points_of(
        "nemu_lane",
        names,
        [
            (4, 8, 9, 9, 24, 33, 0),
            (4, 4, 4, 9, 16, 20, 0),
            (8, 8, 9, 9, 32, 33, 0),
            (8, 8, 9, 9, 24, 33, 16),
            (12, 8, 9, 9, 32, 33, 0),
            (12, 8, 9, 9, 32, 40, 16),
            (12, 8, 12, 12, 40, 41, 0),
            (16, 8, 9, 9, 32, 40, 0),
            (16, 12, 12, 12, 40, 48, 16),
            (20, 8, 9, 9, 48, 49, 0),
        ],
        [
            (6, 8, 8, 9, 20, 28, 0),
            (10, 4, 4, 9, 32, 33, 0),
            (12, 8, 9, 9, 32, 40, 28),
            (14, 8, 10, 10, 36, 40, 0),
            (20, 8, 9, 9, 40, 48, 0),
        ],
    )


def _blocks() -> list[Point]:
    return [
        *points_of(
            "nemu_random",
            "Lanes Layers",
            [(1, 1), (4, 2), (16, 1), (16, 2), (32, 2), (16, 4), (4, 4)],
            [(1, 2), (8, 3), (16, 3), (32, 3), (24, 2)],
        ),
        *points_of("nemu_find_first", "W", [(8,), (16,), (32,), (42,), (64,)], [(24,)]),
        *points_of("nemu_row_finder", "Codes", [(256,), (512,), (992,), (1344,), (2048,)], [(768,), (1152,), (1600,)]),
        *points_of(
            "nemu_code_memory",
            "Units CodeW Codes",
            [(1, 9, 256), (1, 9, 512), (1, 9, 1344), (2, 9, 1024), (4, 9, 1024), (3, 9, 512)],
            [(1, 9, 992), (1, 12, 2048), (2, 9, 512), (4, 9, 512)],
        ),
        *points_of("nemu_sequencer", "Layers", [(1,), (2,), (4,), (8,)], [(3,), (6,)]),
        *points_of(
            "nemu_registers",
            "MaxLayers Layers Lanes",
            [(1, 1, 4), (2, 2, 16), (4, 4, 16), (8, 8, 16)],
            [(3, 3, 16), (6, 6, 16)],
        ),
        *points_of(
            "nemu_row_path",
            "Lanes Banks WeightW GradientW Rows MemoryW",
            [
                (4, 2, 8, 0, 4096, 32),
                (16, 2, 12, 0, 16384, 192),
                (16, 4, 8, 0, 4096, 128),
                (16, 2, 8, 28, 8192, 448),
                (32, 2, 12, 0, 8192, 384),
                (8, 1, 8, 0, 1024, 64),
            ],
            [(8, 2, 10, 0, 8192, 80), (32, 4, 8, 0, 2048, 256), (8, 2, 8, 20, 4096, 160)],
        ),
        *points_of(
            "nemu_activation_unit",
            "AccW MidW CodeW DeltaW SignalW",
            [
                (16, 24, 9, 9, 9),
                (24, 33, 9, 9, 9),
                (32, 33, 9, 9, 9),
                (32, 40, 9, 9, 9),
                (40, 48, 9, 12, 12),
                (32, 33, 9, 4, 4),
            ],
            [(28, 36, 9, 8, 8), (36, 40, 9, 10, 10), (32, 48, 12, 9, 9)],
        ),
        *points_of("nemu_linear_activation", "CodeW MidW", [(8, 24), (9, 33), (9, 40), (12, 33), (9, 48)], [(10, 36)]),
        *points_of("nemu_linear_slope", "", [()], []),
    ]


def _core(values: tuple[int, ...], label: str, *, held: bool, flat: bool = False) -> Point:
    return Point("nemu_core", dict(zip(_CORE.split(), (*values, 0), strict=True)), held, flat, label)


def _cores() -> list[Point]:
    fit = [
        (1, 1, 1, 1, 4, 4, 9, 4, 16, 24, 0, 512, 1024, 64, 8, 2),
        (8, 2, 1, 3, 6, 8, 9, 8, 24, 33, 0, 768, 2048, 128, 16, 2),
        (16, 2, 4, 2, 8, 8, 9, 9, 32, 33, 0, 512, 8192, 128, 16, 1),
        (8, 4, 2, 4, 12, 8, 9, 12, 32, 40, 28, 512, 4096, 128, 16, 2),
        (32, 2, 1, 2, 8, 4, 9, 9, 32, 33, 0, 512, 4096, 64, 8, 1),
        (16, 1, 1, 1, 16, 12, 12, 12, 40, 48, 0, 256, 4096, 128, 16, 1),
        (24, 2, 3, 2, 4, 4, 9, 4, 20, 28, 20, 256, 4096, 64, 8, 1),
    ]
    held = [
        (12, 2, 2, 3, 10, 8, 9, 10, 36, 40, 0, 384, 2048, 64, 8, 1),
        (20, 4, 1, 2, 6, 6, 9, 6, 24, 33, 18, 640, 2048, 64, 8, 1),
    ]
    return [
        *(_core(row, "blocks", held=False) for row in fit),
        *(_core(row, "blocks", held=True) for row in held),
    ]


def _whole() -> list[Point]:
    """Cores of the bar: chips of 784-128-128-10, none of them fitted to."""
    rows = {
        "drtp": [(4, 2, 8), (16, 2, 8), (16, 2, 12), (32, 2, 12)],
        "dfa": [(8, 2, 10)],
    }
    points = []
    for rule, geometries in rows.items():
        for lanes, banks, bits in geometries:
            points.append(_core(build_of(rule, lanes, banks, bits), rule, held=True))
    points.append(_core(build_of("drtp", 4, 2, 8), "flat", held=True, flat=True))
    return points


def build_of(rule: str, lanes: int, banks: int, bits: int) -> tuple[int, ...]:
    """Parameters of the core that holds a chip of 784-128-128-10."""
    words = [
        f"machine.lanes={lanes}",
        f"machine.weight_banks={banks}",
        "network.layers=" + _layers(bits),
    ]
    chip = api.load(str(RTL.parent / "configs" / f"{rule}_mnist.yaml"), words).chip
    return tuple(Build.of(chip).parameters[name] for name in _CORE.split()[:-1])


def _layers(bits: int) -> str:
    units = f"units: 128, activation: hard_tanh, weight: s{bits}f{bits}, output: s8f7, table_frac: 5, delta: s8f7"
    classes = f"units: 10, activation: sigmoid, weight: s{bits}f{bits - 3}, output: u8f8, delta: s9f8"
    hidden, output = "{dense: {" + units + "}}", "{dense: {" + classes + "}}"
    return f"[{hidden}, {hidden}, {output}]"


def every_point() -> list[Point]:
    """All points, small ones first."""
    return [*_primitives(), *_arithmetic(), *_lanes(), *_blocks(), *_cores(), *_whole(), *_others()]
