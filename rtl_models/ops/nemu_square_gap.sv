// Square of exact (16 fractional bits) less the square of code, with 20 fractional bits: ops.square_gap.
// One multiplier: the gap is (exact - code) (exact + code).
`default_nettype none
module nemu_square_gap #(
  parameter int ExactW = 38,  // 8 or more
  parameter int CodeW  = 22,
  parameter int GapW   = 2 * ((ExactW - 6 > CodeW + 10) ? ExactW - 6 : CodeW + 10)  // derived
) (
  input  wire logic signed [ExactW-1:0] exact_i,
  input  wire logic signed [CodeW-1:0]  code_i,
  output logic signed [GapW-1:0]        gap_o
);
  localparam int W = GapW / 2 + 1;

  // The 6 lowest of 16 fractional bits are dropped.
  wire unused = &{1'b0, exact_i[5:0]};

  logic signed [W-1:0] scaled, code, difference, sum;

  assign scaled     = W'($signed(exact_i[ExactW-1:6]));
  assign code       = W'(code_i) <<< 10;
  assign difference = scaled - code;
  assign sum        = scaled + code;
  assign gap_o      = GapW'(difference) * GapW'(sum);
endmodule
`default_nettype wire
