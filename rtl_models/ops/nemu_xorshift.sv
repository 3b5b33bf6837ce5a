// Next state of a 32-bit xorshift register (13, 17, 5): ops.xorshift.
`default_nettype none
module nemu_xorshift (
  input  wire logic [31:0] word_i,
  output logic [31:0]      word_o
);
  logic [31:0] a, b;
  assign a      = word_i ^ (word_i << 13);
  assign b      = a ^ (a >> 17);
  assign word_o = b ^ (b << 5);
endmodule
`default_nettype wire
