"""Mistakes in chain rules, learned feedback, decay and mirror mode; `tests/mutations.py` applies them."""

EQUAL = ("datapath/test_rules_equal.py",)
TRACED, FORWARD, WRITES = "datapath/traced.py", "datapath/traced_forward.py", "datapath/traced_writes.py"
ACTIVATIONS, EXECUTE, EPOCH = "kernels/activations.py", "kernels/execute.py", "kernels/epoch.py"

# (name, edits); the text of an edit occurs exactly once in its file
CHAIN = (
    ("a mean truncates", (("numerics/ops.py", "(2 * total + count) // (2 * count)", "total // count"),)),
    ("blocks begin one layer late", (("rules/blocks.py", "k - 1 - int(dp", "k - int(dp"),)),
    ("asfp learns B from its own activation", (("rules/asfp.py", "shared(dp, k + 1)", "dp.output(k)"),)),
    ("the output's twin does not learn", (("rules/kp.py", "dp.error(), twin=k > 0", "dp.error(), twin=False"),)),
    (
        "learned feedback draws the words of weights",
        (("numerics/words.py", "_WORD = 6, 7, 8, 9", "_WORD = 4, 7, 8, 4"),),
    ),
    (
        "learned feedback has the range of fixed ones",
        (("machine/initialise.py", "learned_range if learned", "feedback_range if learned"),),
    ),
    (
        "random forward weights as the initial ones",
        (("machine/initialise.py", "words.TAG_FORWARD", "words.TAG_WEIGHT"),),
    ),
    (
        "the bias row decays",
        (
            ("kernels/decay.py", "layers[m, fb.ROWS] - layers[m, fb.BIASED], 1 if", "layers[m, fb.ROWS], 1 if"),
            (WRITES, "for row in range(matrix.rows - matrix.biased):", "for row in range(matrix.rows):"),
        ),
    ),
    (
        "decay one update early",
        (
            (
                EPOCH,
                "progress[fb.WRITES] % constants[fb.WEIGHT_DECAY_EVERY] == 0",
                "(progress[fb.WRITES] + 1) % constants[fb.WEIGHT_DECAY_EVERY] == 0",
            ),
            (WRITES, "self.state.updates % decay.every == 0", "(self.state.updates + 1) % decay.every == 0"),
        ),
    ),
    (
        "a twin decays with other words",
        (
            (
                "kernels/decay.py",
                "for turn in range(turns):",
                "for turn in range(turns):\n            "
                "next_words(m, i + turn, layers, fabric.geometry, scratch, constants)",
            ),
        ),
    ),
    (
        "noise of the other sign",
        (
            (
                "numerics/ops.py",
                "amplitude if word >= 1 << 31 else -amplitude",
                "-amplitude if word >= 1 << 31 else amplitude",
            ),
        ),
    ),
    (
        "mirrored outputs without the resting ones",
        (
            (ACTIVATIONS, "= output - rest", "= output"),
            (FORWARD, "return outputs - int(self._tables[k][0]), layer", "return outputs, layer"),
        ),
    ),
    (
        "pooling windows end one early",
        (
            (
                ACTIVATIONS,
                "((i + 1) * whole + units - 1) // units",
                "max((i + 1) * whole // units, i * whole // units + 1)",
            ),
            (FORWARD, "-(-(i + 1) * whole // wanted)", "max((i + 1) * whole // wanted, i * whole // wanted + 1)"),
        ),
    ),
    (
        "a closed gate closes the output layer too",
        (
            (EXECUTE, "(instruction[fb.OWNER] != last and not is_open)", "(not is_open)"),
            (TRACED, "if layer is network.output or is_open:", "if is_open:"),
        ),
    ),
    (
        "mirror mode one sample early",
        (
            (EPOCH, "if progress[fb.SAMPLES] % constants", "if (progress[fb.SAMPLES] + 1) % constants"),
            (TRACED, "self.state.samples % mirror.every == 0", "(self.state.samples + 1) % mirror.every == 0"),
        ),
    ),
    (
        "the twin gets the bias row in place of row 0",
        (
            (
                "kernels/update.py",
                "rows = count if turn == 0 else count - 1",
                "rows = count if turn == 0 else max(count - 2, 0)",
            ),
        ),
    ),
)
