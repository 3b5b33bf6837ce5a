// One step of a multiply-accumulate unit behind its multiplier: ops.accumulate (mode_i 0, SAT); 1 wraps each sum.
`default_nettype none
module nemu_accumulate #(
  parameter int AccW     = 32,
  parameter int ProductW = 21
) (
  input  wire logic signed [AccW-1:0]     acc_i,
  input  wire logic signed [ProductW-1:0] product_i,
  input  wire logic signed [AccW-1:0]     low_i,
  input  wire logic signed [AccW-1:0]     high_i,
  input  wire logic                       mode_i,
  output logic signed [AccW-1:0]          acc_o
);
  localparam int SumW = ((AccW > ProductW) ? AccW : ProductW) + 1;

  logic signed [SumW-1:0] sum;
  assign sum = SumW'(acc_i) + SumW'(product_i);

  nemu_overflow #(.InW(SumW), .OutW(AccW)) u_overflow (
    .code_i(sum), .low_i(low_i), .high_i(high_i), .mode_i(mode_i), .code_o(acc_o)
  );
endmodule
`default_nettype wire
