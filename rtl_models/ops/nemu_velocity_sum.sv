// (1 - 2^-decay) velocity + gradient 2^-shift, with max(decay, shift) more fractional bits: ops.velocity_sum.
`default_nettype none
module nemu_velocity_sum #(
  parameter int VelocityW = 16,
  parameter int GradientW = 32,
  parameter int SumW      = 64  // holds the result, and both operands
) (
  input  wire logic signed [VelocityW-1:0] velocity_i,
  input  wire logic signed [GradientW-1:0] gradient_i,
  input  wire logic [4:0]                  decay_i,
  input  wire logic [4:0]                  shift_i,
  output logic signed [SumW-1:0]           sum_o
);
  logic [4:0]             more, decay_left, shift_left;
  logic signed [SumW-1:0] velocity, gradient;

  assign more       = (decay_i > shift_i) ? decay_i : shift_i;
  assign decay_left = more - decay_i;
  assign shift_left = more - shift_i;
  assign velocity   = SumW'(velocity_i);
  assign gradient   = SumW'(gradient_i);

  // Terms may wrap on the way: only the sum has to fit.
  assign sum_o = (velocity <<< more) - (velocity <<< decay_left) + (gradient <<< shift_left);
endmodule
`default_nettype wire
