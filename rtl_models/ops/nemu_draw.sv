// Top shift_i bits of a 32-bit random word: ops.draw.
`default_nettype none
module nemu_draw (
  input  wire logic [31:0] word_i,
  input  wire logic [4:0]  shift_i,
  output logic [30:0]      draw_o
);
  // word >> (32 - shift): the bit below the top makes shift 0 an ordinary case.
  assign draw_o = 31'({1'b0, word_i} >> (6'd32 - {1'b0, shift_i}));
endmodule
`default_nettype wire
