"""Mistakes in traffic to external memory; `tests/mutations.py` applies them."""

EXTERNAL_TESTS = (
    "estimate/test_external_by_hand.py",
    "estimate/test_external_figure.py",
    "estimate/test_external_command.py",
)
LEDGER, TRAFFIC = "estimate/external/ledger.py", "estimate/external/traffic.py"
PUBLISHED, RECORD = "estimate/external/published.py", "estimate/external/record.py"

# (name, edits); the text of an edit occurs exactly once in its file
EXTERNAL = (
    ("a tensor is read at every use", ((LEDGER, "            self.seen.add(tensor)\n", ""),)),
    (
        "rules of one pass read their weights twice",
        ((LEDGER, "once = () if learner.waits else", "once = () if True else"),),
    ),
    ("a twin is not written", ((LEDGER, 'self.move("update", matrix, writes=True)', "pass"),)),
    ("slopes are kept beside what says them", ((LEDGER, "self.network.slope_in_output and kept", "False and kept"),)),
    (
        "all rows are looked up",
        ((LEDGER, "rows = min(self.batch, self.plan.feedback[k].rows)", "rows = self.plan.feedback[k].rows"),),
    ),
    (
        "feedback of a chain has its biases",
        ((LEDGER, "layers[k + 1].weights if self._in_chain(k)", "layers[k + 1].parameters if self._in_chain(k)"),),
    ),
    ("mirror mode once a step", ((LEDGER, "Fraction(self.batch, self.learner.mirror_every)", "Fraction(1)"),)),
    (
        "activations of one sample are kept",
        ((LEDGER, 'Tensor("activations", j, self.batch * words,', 'Tensor("activations", j, words,'),),
    ),
    ("large tensors first", ((TRAFFIC, "(-saving[t] / t.size,", "(-saving[t],"),)),
    (
        "samples stay on the chip",
        ((TRAFFIC, "if access.always or access.tensor not in chosen", "if access.tensor not in chosen"),),
    ),
    ("shortcuts without normalisation", ((PUBLISHED, "(2 * channels if beside else 0)", "0"),)),
    (
        "energy of a step, not of a sample",
        ((RECORD, "(dram * (moved / samples)).as_dict()", "(dram * moved).as_dict()"),),
    ),
)
