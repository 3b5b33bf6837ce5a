// Bring a code into [low_i, high_i] by the overflow mode, 0 SAT, 1 WRAP: ops.overflow.
`default_nettype none
module nemu_overflow #(
  parameter int InW  = 32,
  parameter int OutW = 16
) (
  input  wire logic signed [InW-1:0]  code_i,
  input  wire logic signed [OutW-1:0] low_i,
  input  wire logic signed [OutW-1:0] high_i,
  input  wire logic                   mode_i,
  output logic signed [OutW-1:0]      code_o
);
  logic signed [OutW-1:0] saturated, wrapped;

  nemu_saturate #(.InW(InW), .OutW(OutW)) u_saturate (
    .code_i(code_i), .low_i(low_i), .high_i(high_i), .code_o(saturated)
  );
  nemu_wrap #(.InW(InW), .OutW(OutW)) u_wrap (
    .code_i(code_i), .low_i(low_i), .high_i(high_i), .code_o(wrapped)
  );
  assign code_o = mode_i ? wrapped : saturated;
endmodule
`default_nettype wire
