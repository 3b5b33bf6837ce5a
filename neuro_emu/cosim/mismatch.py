"""The first place where a chip and the emulator differ."""

from __future__ import annotations

from dataclasses import dataclass

from neuro_emu.golden.trace import Kind

PHASES = {
    Kind.Z: "forward, accumulator",
    Kind.Y: "forward, output code",
    Kind.SIGNAL: "error, signal",
    Kind.DELTA: "error, modulatory signal",
    Kind.WORDS: "update, random words",
    Kind.WRITES: "update, written weight",
    Kind.RESULT: "prediction",
}


@dataclass(frozen=True)
class Mismatch:
    """Where, what was expected, what came.

    Attributes:
        what: in words: phase, or what else was compared.
        expected: the emulator's number; None: nothing was expected.
        got: the chip's; None: nothing came.
        bits: width for hexadecimal.
        vectors: name of the set.
        sample: number of the sample within it.
        layer: k.
        neuron: j.
        input: row of the weight matrix, for a written weight.
        bank: of that row.
        address: within the bank.
        cycle: since the sample's first beat, as the trace port saw it.
        cause: likely causes, in words.
        note: what else is known.

    """

    what: str
    expected: int | None
    got: int | None
    bits: int = 32
    vectors: str = ""
    sample: int | None = None
    layer: int | None = None
    neuron: int | None = None
    input: int | None = None
    bank: int | None = None
    address: int | None = None
    cycle: int | None = None
    cause: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        places = ("vectors", "sample", "layer", "neuron", "input", "bank", "address", "cycle")
        named = {"vectors": "set"}
        found = [(named.get(name, name), getattr(self, name)) for name in places]
        where = ", ".join(f"{name} {value}" for name, value in found if value not in (None, ""))
        lines = [
            f"first mismatch: {self.what}",
            f"  where     {where}",
            f"  expected  {self._number(self.expected)}",
            f"  got       {self._number(self.got)}",
        ]
        if self.note:
            lines.append(f"  note      {self.note}")
        lines += [f"  {'likely' if n == 0 else '      '}    {cause}" for n, cause in enumerate(self.cause)]
        return "\n".join(lines)

    def _number(self, value: int | None) -> str:
        if value is None:
            return "nothing"
        digits = -(-self.bits // 4)
        return f"{value} (0x{value % (1 << self.bits):0{digits}x})"

    def as_dict(self) -> dict[str, object]:
        """Return the record for JSON; what is not known is left out."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v not in (None, "", ())}
