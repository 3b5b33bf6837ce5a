// The 32 bits of a word mirrored: ops.bit_reverse. Wires only; written as swaps because simulators like words.
`default_nettype none
module nemu_bit_reverse (
  input  wire logic [31:0] word_i,
  output logic [31:0]      word_o
);
  logic [31:0] pairs, nibbles, bytes, halves;
  assign pairs   = ((word_i >> 1) & 32'h5555_5555) | ((word_i & 32'h5555_5555) << 1);
  assign nibbles = ((pairs >> 2) & 32'h3333_3333) | ((pairs & 32'h3333_3333) << 2);
  assign bytes   = ((nibbles >> 4) & 32'h0F0F_0F0F) | ((nibbles & 32'h0F0F_0F0F) << 4);
  assign halves  = ((bytes >> 8) & 32'h00FF_00FF) | ((bytes & 32'h00FF_00FF) << 8);
  assign word_o  = {halves[15:0], halves[31:16]};
endmodule
`default_nettype wire
