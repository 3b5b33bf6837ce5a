// The activations that need no table: 1 hard_tanh, 2 relu, 3 identity of a pre-activation
// (docs/numerics.md, section 4).
`default_nettype none
module nemu_linear_activation #(
  parameter int CodeW = 9,
  parameter int MidW  = 40
) (
  input  wire logic signed [7:0]       q_i,
  input  wire logic [1:0]              activation_i,
  input  wire logic [2:0]              table_frac_i,
  input  wire logic signed [6:0]       output_shift_i,
  input  wire logic signed [CodeW-1:0] output_low_i,
  input  wire logic signed [CodeW-1:0] output_high_i,
  output logic signed [CodeW-1:0]      y_o
);
  localparam logic [1:0] HardTanh = 2'd1;
  localparam logic [1:0] Relu     = 2'd2;

  logic signed [7:0] one, low, high, bent;
  assign one  = 8'sd1 <<< table_frac_i;
  assign low  = (activation_i == HardTanh) ? -one : (activation_i == Relu) ? 8'sd0 : -8'sd128;
  assign high = (activation_i == HardTanh) ? one : 8'sd127;

  nemu_saturate #(.InW(8), .OutW(8)) u_bend (.code_i(q_i), .low_i(low), .high_i(high), .code_o(bent));
  nemu_requantise #(.InW(8), .MidW(MidW), .OutW(CodeW)) u_requantise (
    .code_i(bent), .shift_i(output_shift_i), .low_i(output_low_i), .high_i(output_high_i), .code_o(y_o)
  );
endmodule
`default_nettype wire
