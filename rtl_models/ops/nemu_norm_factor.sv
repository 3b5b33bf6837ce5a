// gamma / sqrt(squares) with 16 fractional bits, to nearest; the root has 8: ops.norm_factor. squares is at least 1.
`default_nettype none
module nemu_norm_factor #(
  parameter int GammaW   = 20,
  parameter int SquaresW = 46,
  parameter int FactorW  = GammaW + 16  // derived
) (
  input  wire logic [GammaW-1:0]   gamma_i,
  input  wire logic [SquaresW-1:0] squares_i,
  output logic [FactorW-1:0]       factor_o
);
  localparam int CodeW = SquaresW + 16;
  localparam int RootW = (CodeW + 1) / 2;
  localparam int W     = ((GammaW + 24 > RootW) ? GammaW + 24 : RootW) + 1;

  logic [RootW-1:0] norm;
  logic [W-1:0]     dividend, divisor;

  nemu_root #(.CodeW(CodeW), .RootW(RootW)) u_root (.code_i({squares_i, 16'd0}), .root_o(norm));

  assign divisor  = W'(norm);
  assign dividend = (W'(gamma_i) << 24) + (divisor >> 1);
  assign factor_o = FactorW'(dividend / divisor);
endmodule
`default_nettype wire
