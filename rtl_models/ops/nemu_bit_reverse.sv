// The 32 bits of a word mirrored, wires only: ops.bit_reverse.
`default_nettype none
module nemu_bit_reverse (
  input  wire logic [31:0] word_i,
  output logic [31:0]      word_o
);
  for (genvar i = 0; i < 32; i++) begin : g_bit
    assign word_o[i] = word_i[31-i];
  end
endmodule
`default_nettype wire
