// 2^32 / total, rounded down, one less for powers of two: ops.reciprocal. total is at least 1.
// Softmax asks once a sample: where that allows many cycles, a serial divider computes the same.
`default_nettype none
module nemu_reciprocal #(
  parameter int TotalW = 32
) (
  input  wire logic [TotalW-1:0] total_i,
  output logic [31:0]            inverse_o
);
  localparam int W = (TotalW > 32) ? TotalW : 32;

  logic [W-1:0] ones, total;

  assign ones      = W'(32'hFFFF_FFFF);
  assign total     = W'(total_i);
  assign inverse_o = 32'(ones / total);
endmodule
`default_nettype wire
