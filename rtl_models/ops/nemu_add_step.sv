// Add a rounded step to a stored weight: ops.add_step.
`default_nettype none
module nemu_add_step #(
  parameter int WeightW = 12,
  parameter int StepW   = 18
) (
  input  wire logic signed [WeightW-1:0] weight_i,
  input  wire logic signed [StepW-1:0]   step_i,
  input  wire logic signed [WeightW-1:0] low_i,
  input  wire logic signed [WeightW-1:0] high_i,
  input  wire logic                      mode_i,
  output logic signed [WeightW-1:0]      weight_o
);
  localparam int SumW = ((WeightW > StepW) ? WeightW : StepW) + 1;

  logic signed [SumW-1:0] sum;
  assign sum = SumW'(weight_i) + SumW'(step_i);

  nemu_overflow #(.InW(SumW), .OutW(WeightW)) u_overflow (
    .code_i(sum), .low_i(low_i), .high_i(high_i), .mode_i(mode_i), .code_o(weight_o)
  );
endmodule
`default_nettype wire
