// Sign of an error, 0 inside the dead zone: ops.ternary_sign.
`default_nettype none
module nemu_ternary_sign #(
  parameter int W = 10
) (
  input  wire logic signed [W-1:0] error_i,
  input  wire logic signed [W-1:0] dead_zone_i,  // not negative
  output logic signed [1:0]        sign_o
);
  always_comb begin
    if (error_i > dead_zone_i)       sign_o = 2'sd1;
    else if (error_i < -dead_zone_i) sign_o = -2'sd1;
    else                             sign_o = 2'sd0;
  end
endmodule
`default_nettype wire
