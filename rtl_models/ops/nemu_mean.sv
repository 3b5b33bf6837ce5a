// Mean of count codes from their sum, to nearest, ties up: ops.mean. count is at least 1.
// Where the window of a pool is fixed, give count_i a constant: the divider folds to a few adders.
`default_nettype none
module nemu_mean #(
  parameter int TotalW = 16,
  parameter int CountW = 4
) (
  input  wire logic signed [TotalW-1:0] total_i,
  input  wire logic        [CountW-1:0] count_i,
  output logic signed [TotalW-1:0]      mean_o
);
  localparam int W = (TotalW > CountW ? TotalW : CountW) + 2;

  logic signed [W-1:0] dividend, divisor, quotient, rest;

  assign dividend = (W'(total_i) <<< 1) + $signed(W'(count_i));
  assign divisor  = $signed(W'(count_i) << 1);
  assign quotient = dividend / divisor;  // toward zero
  assign rest     = dividend % divisor;
  assign mean_o   = TotalW'(quotient - W'(rest < 0));
endmodule
`default_nettype wire
