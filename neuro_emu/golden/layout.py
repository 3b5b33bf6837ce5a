"""What the files of golden vectors mean, in words: part of every manifest."""

from __future__ import annotations

RECORD = {
    "bits": "sample 32 | kind 4 | layer 8 | group 20 | Lanes fields of TraceW bits, lane 0 lowest",
    "fields": "two's complement codes, padding lanes 0; random words and signatures are unsigned 32-bit numbers",
    "order": "as the trace port shows them",
}
"""Layout of a line of records.mem."""

TRACE_KINDS = {
    "0": "z: accumulators of a group, before activation",
    "1": "y: output codes of the group",
    "2": "signal: feedback row of the label, or projected error, before f'",
    "3": "delta: modulatory signal in the lanes when the group is updated",
    "4": "words: random-word registers after the group's update: the row register in lane 0, or the lanes' own",
    "5": "writes: one signature a lane: from 0, for each written row in order s = rotate_left_32(s, 1) ^ code ^ row",
    "6": "result: predicted class in lane 0, after the accumulators of the last output group",
}
"""Kinds of trace records."""

FILES = {
    "sizes.mem": "samples, inputs, records, registers, mini-batches (0 or 1), flush (0 or 1); 32 bits each",
    "registers.mem": "48 bits: register address 16, word 32; written before the first sample",
    "weights_B.mem": "initial rows of weight bank B; row i of group g of layer k has address g*(inputs+1)+i, bank ="
    " address mod banks, row = weight_base[k] + address div banks; lane 0 in the lowest bits, WeightW bits a lane",
    "final_B.mem": "the same after the last sample (and flush)",
    "feedback.mem": "row c of group g of layer k at feedback_base[k] + g*classes + c; FeedbackW bits a lane",
    "tables.mem": "activation tables, 256 entries a layer, entry q at q mod 256; CodeW bits, signed",
    "derivatives.mem": "derivative tables likewise; 8 bits, unsigned",
    "codes.mem": "stimuli: input codes, sample by sample",
    "labels.mem": "one line a sample: label, bit 31 set if it is learned from",
    "records.mem": "expected trace records",
    "predictions.mem": "expected class of each sample, before it is learned",
    "cycles.mem": "clock cycles from a sample's first beat to the next one's",
}
"""Files of each set; `$readmemh`, one number a line."""
