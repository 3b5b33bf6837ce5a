// One lane: a multiplier, an accumulator, the weight update behind it, and the two requantisers of a hidden signal.
//
//   stage 1  operands      product = a * x          a: weight, feedback code or delta; x: code or error
//   stage 2  product       acc += product, or weight' = weight + round(product), or gradient' = gradient + product
//   stage 3  weight', gradient' go back to their memory
`default_nettype none
module nemu_lane #(
  parameter int WeightW   = 12,
  parameter int FeedbackW = 8,
  parameter int DeltaW    = 9,
  parameter int OperandW  = 9,   // of x
  parameter int AccW      = 32,
  parameter int MidW      = 40,  // widest aligned value
  parameter int GradientW = 0,   // 0: no mini-batches
  parameter int SignalW   = (FeedbackW > DeltaW) ? FeedbackW : DeltaW
) (
  input  wire logic clk_i,

  // stage 1
  input  wire logic                        operate_i,      // operands are valid
  input  wire logic [1:0]                  operand_i,      // 0 weight, 1 feedback, 2 delta
  input  wire logic signed [WeightW-1:0]   weight_i,
  input  wire logic signed [FeedbackW-1:0] feedback_i,
  input  wire logic signed [OperandW-1:0]  x_i,
  input  wire logic                        keep_i,         // write the weight back as it is

  // stage 2
  input  wire logic                       clear_i,         // acc = 0
  input  wire logic                       accumulate_i,
  input  wire logic                       exact_i,         // a projection: the whole width, never clamped
  input  wire logic signed [AccW-1:0]     acc_low_i,
  input  wire logic signed [AccW-1:0]     acc_high_i,
  input  wire logic                       acc_mode_i,
  input  wire logic [4:0]                 update_shift_i,
  input  wire logic [2:0]                 rounding_i,
  input  wire logic [31:0]                word_i,
  input  wire logic signed [WeightW-1:0]  weight_low_i,
  input  wire logic signed [WeightW-1:0]  weight_high_i,
  input  wire logic                       weight_mode_i,
  output logic signed [AccW-1:0]          acc_o,
  output logic signed [WeightW-1:0]       weight_o,        // stage 3

  // mini-batch sums, stage 2 and 3
  input  wire logic signed [(GradientW > 0 ? GradientW : 1)-1:0] gradient_i,  // stage 1
  input  wire logic                                              apply_i,     // stage 2: the step is the gradient
  output logic signed [(GradientW > 0 ? GradientW : 1)-1:0]      gradient_o,

  // signals
  input  wire logic                       valid_i,         // the lane holds a neuron, not padding
  input  wire logic                       project_i,       // signal = requantise(acc)
  input  wire logic                       projected_i,     // the signal is projected, not the feedback row
  input  wire logic signed [6:0]          project_shift_i,
  input  wire logic signed [DeltaW-1:0]   projection_low_i,
  input  wire logic signed [DeltaW-1:0]   projection_high_i,
  input  wire logic                       gate_i,          // delta = requantise(signal * one-bit derivative)
  input  wire logic                       slope_i,
  input  wire logic signed [6:0]          gate_shift_i,
  input  wire logic signed [DeltaW-1:0]   delta_low_i,
  input  wire logic signed [DeltaW-1:0]   delta_high_i,
  input  wire logic                       delta_load_i,    // delta = the value below
  input  wire logic signed [DeltaW-1:0]   delta_i,
  output logic signed [SignalW-1:0]       signal_o,
  output logic signed [DeltaW-1:0]        delta_o
);
  localparam int FactorW  = (WeightW > SignalW) ? WeightW : SignalW;
  localparam int ProductW = FactorW + OperandW;
  localparam int StepW    = (ProductW > GradientW) ? ProductW : GradientW;

  // --- stage 1: the multiplier ------------------------------------------------------------------------------------
  logic signed [FactorW-1:0]  factor;
  logic signed [ProductW-1:0] product_q;
  logic signed [WeightW-1:0]  weight_q;
  logic                       keep_q;

  always_comb begin
    case (operand_i)
      2'd0:    factor = FactorW'(weight_i);
      2'd1:    factor = FactorW'(feedback_i);
      default: factor = FactorW'(delta_o);
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (operate_i) begin
      product_q <= ProductW'(factor) * ProductW'(x_i);
      weight_q  <= weight_i;
      keep_q    <= keep_i;
    end
  end

  // --- stage 2: accumulate ----------------------------------------------------------------------------------------
  localparam logic signed [AccW-1:0] Lowest = {1'b1, {(AccW - 1) {1'b0}}};
  logic signed [AccW-1:0] acc_next;

  nemu_accumulate #(.AccW(AccW), .ProductW(ProductW)) u_accumulate (
    .acc_i(acc_o), .product_i(product_q),
    .low_i(exact_i ? Lowest : acc_low_i), .high_i(exact_i ? ~Lowest : acc_high_i),
    .mode_i(acc_mode_i), .acc_o(acc_next)
  );

  always_ff @(posedge clk_i) begin
    if (clear_i)           acc_o <= '0;
    else if (accumulate_i) acc_o <= acc_next;
  end

  // --- stage 2: weight update, mini-batch sums ----------------------------------------------------------------------
  logic signed [StepW-1:0]   exact_step, step;
  logic signed [WeightW-1:0] weight_next;

  if (GradientW > 0) begin : g_gradient
    logic signed [GradientW-1:0] gradient_q;
    always_ff @(posedge clk_i) begin
      gradient_q <= gradient_i;
      gradient_o <= apply_i ? '0 : gradient_q + GradientW'(keep_q ? '0 : product_q);
    end
    assign exact_step = apply_i ? StepW'(gradient_q) : StepW'(product_q);
  end else begin : g_no_gradient
    logic unused;
    assign unused     = ^{gradient_i, apply_i};
    assign gradient_o = '0;
    assign exact_step = StepW'(product_q);
  end

  nemu_round_shift #(.W(StepW)) u_round_shift (
    .code_i(exact_step), .shift_i(update_shift_i), .rounding_i(rounding_i), .word_i(word_i), .code_o(step)
  );
  nemu_add_step #(.WeightW(WeightW), .StepW(StepW)) u_add_step (
    .weight_i(weight_q), .step_i(step), .low_i(weight_low_i), .high_i(weight_high_i),
    .mode_i(weight_mode_i), .weight_o(weight_next)
  );
  always_ff @(posedge clk_i) weight_o <= keep_q ? weight_q : weight_next;

  // --- signals ------------------------------------------------------------------------------------------------------
  logic signed [DeltaW-1:0]  projected_q, projected, delta, delta_q;
  logic signed [SignalW-1:0] gated;

  nemu_requantise #(.InW(AccW), .MidW(MidW), .OutW(DeltaW)) u_project (
    .code_i(acc_o), .shift_i(project_shift_i), .low_i(projection_low_i), .high_i(projection_high_i),
    .code_o(projected)
  );
  assign signal_o = projected_i ? SignalW'(projected_q) : SignalW'(feedback_i);
  assign gated    = slope_i ? signal_o : '0;
  nemu_requantise #(.InW(SignalW), .MidW(MidW), .OutW(DeltaW)) u_gate (
    .code_i(gated), .shift_i(gate_shift_i), .low_i(delta_low_i), .high_i(delta_high_i), .code_o(delta)
  );

  always_ff @(posedge clk_i) begin
    if (project_i)         projected_q <= projected;
    // A padding lane must not learn with what an earlier group left behind.
    if (!valid_i)          delta_q <= '0;
    else if (delta_load_i) delta_q <= delta_i;
    else if (gate_i)       delta_q <= delta;
  end
  assign delta_o = delta_q;
endmodule
`default_nettype wire
