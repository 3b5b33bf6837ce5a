"""Mistakes in targets, losses, dropout, momentum and weight normalisation; `tests/mutations.py` applies them."""

AROUND_EQUAL = ("datapath/test_around_equal.py", "numerics/test_ops_around.py")
FORWARD, WRITES, SIGNALS = "datapath/traced_forward.py", "datapath/traced_writes.py", "datapath/traced_signals.py"
OPS, MOMENTUM, NORM, OUTPUTS = "numerics/ops.py", "kernels/momentum.py", "kernels/normalise.py", "kernels/outputs.py"

# (name, edits); the text of an edit occurs exactly once in its file
AROUND = (
    ("dropout one word off", ((OPS, "return word >> 24 < threshold", "return word >> 24 <= threshold"),)),
    (
        "dropout uses the noise registers' seeds",
        (("numerics/words.py", "TAG_DROPOUT, TAG_HOT, TAG_NORM = 10,", "TAG_DROPOUT, TAG_HOT, TAG_NORM = 8,"),),
    ),
    (
        "dropped neurons learn",
        (("kernels/learn.py", "kept = 1 - int(scratch.dropped[k, j])", "kept = 1 - 0 * int(scratch.dropped[k, j])"),),
    ),
    ("testing is not scaled", (("datapath/tables.py", "requantise(y * kept, 8, low, high)", "y"),)),
    ("softmax rounds its reciprocal up", ((OPS, "return 0xFFFFFFFF // total", "return -(-0xFFFFFFFF // total)"),)),
    ("softmax without its largest", ((OUTPUTS, "largest = max(largest, int(preactivation[c]))", "largest = 127"),)),
    (
        "squared error forgets the slope",
        (("kernels/learn.py", "if constants[fb.SQUARED] else 1", "if constants[fb.SQUARED] > 1 else 1"),),
    ),
    (
        "several hot outputs without permutation",
        (("machine/targets.py", "if targets.hot == 1 else", "if targets.hot >= 1 else"),),
    ),
    ("ties of several outputs go up", ((OUTPUTS, "total > largest", "total >= largest"),)),
    ("regression shows the first target", (("kernels/epoch.py", "if fabric.constants[fb.HOT] else sample", ""),)),
    ("velocity fades before the gradient enters", ((OPS, "(velocity << (more - decay))", "(velocity << more)"),)),
    (
        "velocity and weight share a word",
        ((MOMENTUM, "next_words(m, 2 * i + 1,", "next_words(m, 2 * i,"),),
    ),
    ("Nesterov looks back", ((MOMENTUM, "if ahead:", "if ahead > 1:"),)),
    (
        "a twin's bias row moves",
        ((MOMENTUM, "if twin >= 0 and i < layers[twin, fb.ROWS]", "if twin >= 0 and i > 0"),),
    ),
    (
        "the bias row is normalised",
        (
            (
                NORM,
                "rows, position = layers[m, fb.ROWS] - 1,",
                "rows, position = layers[m, fb.ROWS],",
            ),
            (WRITES, "rows, k, weights = matrix.rows - 1,", "rows, k, weights = matrix.rows,"),
        ),
    ),
    ("norms are not held", ((OPS, "if abs(gap) <= gamma << 20", "if abs(gap) <= gamma << 40"),)),
    (
        "normalisation one update early",
        (
            (
                "kernels/epoch.py",
                "progress[fb.WRITES] % constants[fb.NORM_EVERY] == 0",
                "(progress[fb.WRITES] + 1) % constants[fb.NORM_EVERY] == 0",
            ),
            (WRITES, "self.state.updates % norm.every == 0", "(self.state.updates + 1) % norm.every == 0"),
        ),
    ),
    (
        "weights start as they were drawn",
        (("machine/initialise.py", "if norm := chip.learning.weight_norm:", "if norm := None:"),),
    ),
)
