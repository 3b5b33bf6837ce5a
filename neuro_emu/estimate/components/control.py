"""Everything around the datapath: sequencer, registers, memories' ports, the search for the next row.

Source of every coefficient: osu018, Yosys 0.70, benchmarks/calibration; NAND2-equivalents. Counters of rows and
neurons have 17 bits, those of memory words 24 bits, as in the RTL. Flip-flops are counted from the RTL, not fitted.
"""

from __future__ import annotations

from neuro_emu.estimate.components.storage import levels, multiplexer
from neuro_emu.estimate.gates import Gates

ROW_BITS = 17
WIDE_BITS = 24
FINDER_CODE = 7.02
FINDER_FIXED = 222.7
FLAG_CODE = 3.853
FLAG_DECODE = 1.779
FLAG_WRITER = 3.156
CODE_BIT = 0.6216
SEQUENCER_FIXED = 2507.0
SEQUENCER_LAYER = 106.7
SEQUENCER_LAYER_FLOPS = WIDE_BITS
SEQUENCER_FLOPS = 204
REGISTERS_FIXED = 616.8
REGISTERS_LAYER = 1594.0
REGISTERS_LAYER_FLOPS = 249
REGISTERS_FLOPS = 233
BANK_BIT = 5.038
PATH_ADDRESS = 30.94
PATH_PORT_BIT = 2.534
PATH_BANK = 33.08
PATH_WIDE_PORT = 1.0


def row_finder(codes: int) -> Gates:
    """Next row whose code is not 0 (nemu_row_finder): the words' flags are selected, masked and searched twice."""
    return Gates(FINDER_FIXED + FINDER_CODE * codes)


def code_memory(units: int, code: int, codes: int) -> Gates:
    """Ports of the code memory and its zero flags (nemu_code_memory, without the memory).

    A flag is a flip-flop behind its own choice of kept and new; the write address is decoded to a power of two, once
    for each activation unit that may write; codes are put in the order of the banks.
    """
    banks = 2 ** levels(units)
    flags = FLAG_CODE * codes + FLAG_DECODE * 2 ** levels(codes) + FLAG_WRITER * codes * (units - 1)
    order = CODE_BIT * code * (banks - 1) * (units + 1)
    return Gates(flags + order, codes + levels(units))


def sequencer(layers: int) -> Gates:
    """Phases, layers, groups and rows (nemu_sequencer); each layer keeps one address of 24 bits."""
    return Gates(SEQUENCER_FIXED + SEQUENCER_LAYER * layers, SEQUENCER_FLOPS + SEQUENCER_LAYER_FLOPS * layers)


def registers(layers: int) -> Gates:
    """Configuration registers (nemu_registers): those of the chip, and a set a layer with two read ports.

    Sets are addressed, and the synthesiser builds as many as the address can tell apart: a power of two.
    """
    sets = 2 ** levels(layers)
    return Gates(REGISTERS_FIXED + REGISTERS_LAYER * sets, REGISTERS_FLOPS + REGISTERS_LAYER_FLOPS * sets)


def row_path(lanes: int, banks: int, weight: int, gradient: int, rows: int) -> Gates:
    """Addresses, pipeline and ports of the weights and of the mini-batch sums (nemu_row_path, without the memories)."""
    address, bank = levels(rows), max(levels(banks), 1)
    memories = 2 if gradient else 1
    port = lanes * (weight + gradient)
    flops = 5 + 3 * (bank + address + ROW_BITS) + memories * levels(banks)
    logic = PATH_ADDRESS * address + PATH_PORT_BIT * port + PATH_BANK * banks * memories
    return Gates(logic, flops) + multiplexer(port, banks)


def bank_of(bits: int) -> Gates:
    """Bank of a row (nemu_bank_of): a mask of the banks in use over the row's lowest bits."""
    return Gates(BANK_BIT * max(bits - 1, 0.5))
