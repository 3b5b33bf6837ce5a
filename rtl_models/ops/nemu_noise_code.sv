// Zero-mean noise of one amplitude, the sign from a random word: ops.noise_code.
`default_nettype none
module nemu_noise_code #(
  parameter int W = 8
) (
  input  wire logic        [31:0]  word_i,
  input  wire logic signed [W-1:0] amplitude_i,  // not the smallest code
  output logic signed [W-1:0]      code_o
);
  // Only the sign of the word counts; the rest of it is another generator's to use.
  wire unused = &{1'b0, word_i[30:0]};

  assign code_o = word_i[31] ? amplitude_i : -amplitude_i;
endmodule
`default_nettype wire
