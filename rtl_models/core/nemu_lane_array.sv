// The lanes with the operands that they share, and their random words.
`default_nettype none
module nemu_lane_array #(
  parameter int Lanes     = 16,
  parameter int Units     = 1,
  parameter int Layers    = 2,
  parameter int WeightW   = 12,
  parameter int FeedbackW = 8,
  parameter int CodeW     = 9,
  parameter int DeltaW    = 9,
  parameter int AccW      = 32,
  parameter int MidW      = 40,
  parameter int GradientW = 0,
  parameter int SignalW   = 9,
  parameter int RowW      = 17,
  parameter int GradW     = (GradientW > 0) ? GradientW : 1
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,

  // configuration of the chip and of the layer
  input  wire logic [5:0]         accumulator_bits_i,
  input  wire logic               accumulator_mode_i,
  input  wire logic [2:0]         rounding_i,
  input  wire logic               weight_mode_i,
  input  wire logic [2:0]         word_source_i,
  input  wire logic [31:0]        lane_seed_i,
  input  wire logic [31:0]        row_seed_i,
  input  wire logic [5:0]         weight_bits_i,
  input  wire logic [4:0]         update_shift_i,
  input  wire logic signed [6:0]  project_shift_i,
  input  wire logic [5:0]         projection_bits_i,
  input  wire logic signed [6:0]  gate_shift_i,
  input  wire logic signed [DeltaW-1:0] delta_low_i,
  input  wire logic signed [DeltaW-1:0] delta_high_i,
  input  wire logic [CodeW-1:0]   bias_code_i,
  input  wire logic               sign_signal_i,   // projections take the sign of the error
  input  wire logic               projected_i,     // signals are projections, not feedback rows

  // where and what
  input  wire logic [3:0]        layer_i,
  input  wire logic              first_group_i,
  input  wire logic [RowW-1:0]   first_i,
  input  wire logic [Lanes-1:0]  valid_i,
  input  wire logic [RowW-1:0]   beat_i,
  input  wire logic [RowW-1:0]   units_in_use_i,
  input  wire logic              seed_i,
  input  wire logic              batched_i,
  input  wire logic              apply_i,
  input  wire logic              clear_i,
  input  wire logic              update_begin_i,
  input  wire logic              update_finish_i,
  input  wire logic              operate_i,        // a row was issued one cycle ago
  input  wire logic              update1_i,        // and it is updated
  input  wire logic              accumulate_i,     // stage 2 of a forward row
  input  wire logic              bias_i,           // with the issue
  input  wire logic              keep_i,
  input  wire logic              project_i,
  input  wire logic [RowW-1:0]   class_lane_i,
  input  wire logic              project_finish_i,
  input  wire logic              gate_i,
  input  wire logic              has_table_i,
  input  wire logic              delta_load_i,     // errors go into the lanes with the next cycle

  // operands
  input  wire logic [Lanes*WeightW-1:0]   weights_i,
  input  wire logic [Lanes*GradW-1:0]     gradients_i,
  input  wire logic [Lanes*FeedbackW-1:0] feedback_i,
  input  wire logic [CodeW-1:0]           code_i,
  input  wire logic [Lanes*DeltaW-1:0]    errors_i,
  input  wire logic [Lanes*2-1:0]         signs_i,
  input  wire logic [Lanes-1:0]           slope_i,
  input  wire logic [Units*DeltaW-1:0]    unit_deltas_i,

  // results
  output logic [Lanes*AccW-1:0]    acc_o,
  output logic [Lanes*WeightW-1:0] weights_o,
  output logic [Lanes*GradW-1:0]   gradients_o,
  output logic [Lanes*SignalW-1:0] signals_o,
  output logic [Lanes*DeltaW-1:0]  deltas_o,
  output logic                     draws_o,        // this update draws words
  output logic [31:0]              row_register_o,
  output logic [Lanes*32-1:0]      lane_registers_o
);
  localparam int OperandW = (CodeW > DeltaW) ? CodeW : DeltaW;
  localparam int LaneW    = (Lanes > 1) ? $clog2(Lanes) : 1;
  localparam logic [2:0] Stoch = 3'd4;

  // --- what follows the issue --------------------------------------------------------------------------------------
  logic            bias1_q, keep1_q, project1_q, project2_q, delta_load_q;
  logic [RowW-1:0] class_lane_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      project1_q   <= 1'b0;
      project2_q   <= 1'b0;
      delta_load_q <= 1'b0;
    end else begin
      project1_q   <= project_i;
      project2_q   <= project1_q;
      delta_load_q <= delta_load_i;
    end
    bias1_q      <= bias_i;
    keep1_q      <= keep_i;
    class_lane_q <= class_lane_i;
  end

  // --- the shared operand --------------------------------------------------------------------------------------------
  logic signed [OperandW-1:0] x;
  logic signed [DeltaW-1:0]   error;
  logic signed [1:0]          sign;
  logic signed [CodeW-1:0]    code;
  assign error = errors_i[LaneW'(class_lane_q)*DeltaW +: DeltaW];
  assign sign  = signs_i[LaneW'(class_lane_q)*2 +: 2];
  assign code  = bias1_q ? bias_code_i : code_i;
  always_comb begin
    if (!project1_q)        x = OperandW'(code);
    else if (sign_signal_i) x = OperandW'(sign);
    else                    x = OperandW'(error);
  end

  // --- limits --------------------------------------------------------------------------------------------------------
  logic signed [AccW-1:0]    acc_low, acc_high;
  logic signed [WeightW-1:0] weight_low, weight_high;
  logic signed [DeltaW-1:0]  projection_low, projection_high;
  nemu_limits #(.W(AccW)) u_acc_limits (
    .bits_i(accumulator_bits_i), .signed_i(1'b1), .low_o(acc_low), .high_o(acc_high)
  );
  nemu_limits #(.W(WeightW)) u_weight_limits (
    .bits_i(weight_bits_i), .signed_i(1'b1), .low_o(weight_low), .high_o(weight_high)
  );
  nemu_limits #(.W(DeltaW)) u_projection_limits (
    .bits_i(projection_bits_i), .signed_i(1'b1), .low_o(projection_low), .high_o(projection_high)
  );

  // --- random words --------------------------------------------------------------------------------------------------
  logic [Lanes*32-1:0] words;
  logic                draw;
  assign draws_o = (rounding_i == Stoch) && (!batched_i || apply_i);
  assign draw    = update1_i && !keep1_q && draws_o;
  nemu_random #(.Lanes(Lanes), .Layers(Layers)) u_random (
    .clk_i(clk_i), .source_i(word_source_i), .layer_i(layer_i),
    .seed_i(seed_i), .row_seed_i(row_seed_i), .lane_seed_i(lane_seed_i),
    .begin_i(update_begin_i), .first_group_i(first_group_i), .finish_i(update_finish_i),
    .draw_i(draw), .neuron_i(32'(first_i)), .words_o(words),
    .row_register_o(row_register_o), .lane_registers_o(lane_registers_o)
  );

  // --- lanes ---------------------------------------------------------------------------------------------------------
  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    logic                     unit_writes;
    logic signed [DeltaW-1:0] unit_delta, delta;
    always_comb begin
      unit_writes = 1'b0;
      unit_delta  = unit_deltas_i[DeltaW-1:0];
      for (int u = 0; u < Units; u++) begin
        if (beat_i + RowW'(u) == RowW'(l) && RowW'(u) < units_in_use_i) begin
          unit_writes = gate_i && has_table_i;
          unit_delta  = unit_deltas_i[u*DeltaW +: DeltaW];
        end
      end
    end
    assign delta = delta_load_q ? errors_i[l*DeltaW +: DeltaW] : unit_delta;

    nemu_lane #(
      .WeightW(WeightW), .FeedbackW(FeedbackW), .DeltaW(DeltaW), .OperandW(OperandW), .AccW(AccW), .MidW(MidW),
      .GradientW(GradientW)
    ) u_lane (
      .clk_i(clk_i),
      .operate_i(operate_i || project1_q),
      .operand_i(project1_q ? 2'd1 : update1_i ? 2'd2 : 2'd0),
      .weight_i(weights_i[l*WeightW +: WeightW]), .feedback_i(feedback_i[l*FeedbackW +: FeedbackW]),
      .x_i(x), .keep_i(keep1_q),
      .clear_i(clear_i), .accumulate_i(accumulate_i || project2_q), .exact_i(project2_q),
      .acc_low_i(acc_low), .acc_high_i(acc_high), .acc_mode_i(accumulator_mode_i),
      .update_shift_i(update_shift_i), .rounding_i(rounding_i), .word_i(words[l*32 +: 32]),
      .weight_low_i(weight_low), .weight_high_i(weight_high), .weight_mode_i(weight_mode_i),
      .acc_o(acc_o[l*AccW +: AccW]), .weight_o(weights_o[l*WeightW +: WeightW]),
      .gradient_i(gradients_i[l*GradW +: GradW]), .apply_i(apply_i), .gradient_o(gradients_o[l*GradW +: GradW]),
      .valid_i(valid_i[l]),
      .project_i(project_finish_i), .projected_i(projected_i), .project_shift_i(project_shift_i),
      .projection_low_i(projection_low), .projection_high_i(projection_high),
      .gate_i(gate_i && !has_table_i), .slope_i(slope_i[l]), .gate_shift_i(gate_shift_i),
      .delta_low_i(delta_low_i), .delta_high_i(delta_high_i),
      .delta_load_i(delta_load_q || unit_writes), .delta_i(delta),
      .signal_o(signals_o[l*SignalW +: SignalW]), .delta_o(deltas_o[l*DeltaW +: DeltaW])
    );
  end
endmodule
`default_nettype wire
