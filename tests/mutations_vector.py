"""Mistakes in the vector loops; `tests/mutations.py` applies them. Without JIT the plain formulas run in the loops."""

VECTOR_TESTS = ("datapath/test_backends.py",)
ROWS, BATCH, LEARN = "kernels/online_rows.py", "kernels/online_batch.py", "kernels/online_learn.py"
ENTRIES = "kernels/vector/entries.py"
BLOCK, STREAMS, DECAY = "kernels/online_block.py", "kernels/streams.py", "kernels/online_decay.py"

# (name, edits); the text of an edit occurs exactly once in its file
VECTOR = (
    (
        "vector: steps up are looked for in the block of steps down",
        ((ENTRIES, "(1, positions - size - zeros, rest ^ flip)", "(1, zeros, rest ^ flip)"),),
    ),
    (
        "vector: steps up are compared with the draw itself",
        ((ENTRIES, "(1, positions - size - zeros, rest ^ flip)", "(1, positions - size - zeros, rest)"),),
    ),
    (
        "vector: products twice the draw's range are compared",
        ((ROWS, "if peak > (1 << shift) or", "if peak > (2 << shift) or"),),
    ),
    (
        "vector: the first block of a tile is left out",
        ((ENTRIES, "if first <= block < last:", "if first < block < last:"),),
    ),
    (
        "vector: nearest steps are rounded down",
        (("kernels/vector/nearest.py", " + (1 << (FRACTION - 1))) >> FRACTION", ") >> FRACTION"),),
    ),
    (
        "vector: the bias row is never active",
        (
            (
                "datapath/vector_run.py",
                "hits[fb.FORWARDS, 0, inputs] += stop - start",
                "hits[fb.FORWARDS, 0, inputs] += 0",
            ),
        ),
    ),
    ("vector: words left over are lost", ((STREAMS, "words[i] = left[i]", "words[i] = 0"),)),
    (
        "vector: the twin learns from the bias row",
        ((BLOCK, "        desk.codes[last, rows] = 0\n", "        desk.codes[last, rows] = bias\n"),),
    ),
    (
        "vector: stalls of the last layer are forgotten",
        ((BLOCK, "STALLS] += stalls_of_flags(flagged", "STALLS] += 0 * stalls_of_flags(flagged"),),
    ),
    (
        "vector: port conflicts forget the bank of the last row",
        (("kernels/conflicts.py", ">> (bank & 63)) & (2 * FLAGS - 1)", ">> (bank & 63)) & 0"),),
    ),
    (
        "vector: every tile counts its rows",
        ((BLOCK, "book_rows(k, n if leads else 0, result, fabric)", "book_rows(k, n, result, fabric)"),),
    ),
    (
        "vector: draws of the last layer are cut at 0",
        (("datapath/sheets.py", "(sh.ADDED, split)", "(sh.ADDED, 0)"),),
    ),
    ("vector: carried sums are taken over twice", ((BATCH, "        carried[p] = 0", "        carried[p] += 0"),)),
    (
        "vector: clamped projections are not counted",
        ((LEARN, "PROJECTION_OVF] += clamped", "PROJECTION_OVF] += 0 * clamped"),),
    ),
    (
        "vector: the bias decays",
        ((DECAY, "            weights[at + rows] = bias", "            bias = weights[at + rows]"),),
    ),
    (
        "vector: negative codes are added",
        (("kernels/online.py", "            negative = at\n", "            negative = 0\n"),),
    ),
)
