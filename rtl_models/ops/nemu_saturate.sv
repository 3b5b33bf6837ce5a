// Clamp a code to [low_i, high_i]: ops.saturate.
`default_nettype none
module nemu_saturate #(
  parameter int InW  = 32,  // width of the code
  parameter int OutW = 16   // width of the limits and of the result
) (
  input  wire logic signed [InW-1:0]  code_i,
  input  wire logic signed [OutW-1:0] low_i,
  input  wire logic signed [OutW-1:0] high_i,
  output logic signed [OutW-1:0]      code_o
);
  // Both sides in one width, so that the comparison is signed and exact whichever is wider.
  localparam int W = (InW > OutW) ? InW : OutW;

  logic signed [W-1:0] code, low, high;
  assign code = W'(code_i);
  assign low  = W'(low_i);
  assign high = W'(high_i);

  always_comb begin
    if (code < low)       code_o = low_i;
    else if (code > high) code_o = high_i;
    else                  code_o = OutW'(code);
  end
endmodule
`default_nettype wire
