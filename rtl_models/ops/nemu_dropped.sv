// Whether a random word drops an output: its top 8 bits are below threshold, a probability in 256ths: ops.dropped.
`default_nettype none
module nemu_dropped (
  input  wire logic [31:0] word_i,
  input  wire logic [7:0]  threshold_i,
  output logic             dropped_o
);
  wire unused = &{1'b0, word_i[23:0]};

  assign dropped_o = word_i[31:24] < threshold_i;
endmodule
`default_nettype wire
