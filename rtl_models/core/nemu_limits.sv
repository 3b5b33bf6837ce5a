// Smallest and largest code of a format of bits_i bits, with or without a sign.
`default_nettype none
module nemu_limits #(
  parameter int W = 16  // wide enough for both
) (
  input  wire logic [5:0]    bits_i,    // 1 or more
  input  wire logic          signed_i,
  output logic signed [W-1:0] low_o,
  output logic signed [W-1:0] high_o
);
  logic [5:0] magnitude_bits;
  assign magnitude_bits = bits_i - 6'(signed_i);
  assign high_o = $signed(~({W{1'b1}} << magnitude_bits));
  assign low_o  = signed_i ? ~high_o : '0;
endmodule
`default_nettype wire
