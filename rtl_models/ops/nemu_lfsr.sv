// Next state of a 32-bit Galois LFSR, right shift, taps 0x80200003: ops.lfsr.
`default_nettype none
module nemu_lfsr (
  input  wire logic [31:0] word_i,
  output logic [31:0]      word_o
);
  assign word_o = (word_i >> 1) ^ (word_i[0] ? 32'h8020_0003 : 32'h0);
endmodule
`default_nettype wire
