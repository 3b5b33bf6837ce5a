// A processor that learns on line: fully connected layers on one group of lanes (docs/numerics.md, docs/machine.md).
// Registers choose the network, the rule and the formats; the memories are loaded and read through the memory port
// while no sample is in flight.
`default_nettype none
module nemu_core #(
  parameter int Lanes        = 16,
  parameter int Banks        = 2,     // of each banked memory
  parameter int Units        = 1,     // activation units
  parameter int Layers       = 2,
  parameter int WeightW      = 12,
  parameter int FeedbackW    = 8,
  parameter int CodeW        = 9,     // input and output codes as signed numbers: u8 needs 9
  parameter int DeltaW       = 9,     // modulatory signals and projections
  parameter int AccW         = 32,
  parameter int MidW         = 40,    // widest value while it is aligned
  parameter int GradientW    = 0,     // mini-batch sums; 0: the chip learns sample by sample
  parameter int Codes        = 2048,  // words of the code memory: a multiple of 32
  parameter int WeightRows   = 16384, // rows in each weight bank
  parameter int FeedbackRows = 512,
  parameter int KeptGroups   = 64,    // hidden groups whose pre-activations can wait for the error
  parameter int ErrorGroups  = 4,     // groups of the output layer
  parameter int Trace        = 1,
  parameter int Semantics    = 1,     // version of the integer contract
  // derived
  parameter int SignalW  = (FeedbackW > DeltaW) ? FeedbackW : DeltaW,
  parameter int WriteW   = (GradientW > WeightW) ? GradientW : WeightW,
  parameter int RowBits  = (Lanes * WriteW > Lanes * FeedbackW) ? Lanes * WriteW : Lanes * FeedbackW,
  parameter int EntryW   = (CodeW > 8) ? CodeW : 8,                // of a table
  parameter int MemoryW  = (RowBits > EntryW) ? RowBits : EntryW,  // of the memory port
  parameter int TraceW   = (AccW > 32) ? 64 : 32
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,

  // registers: written at the edge, read in the same cycle
  input  wire logic        reg_valid_i,
  input  wire logic        reg_write_i,
  input  wire logic [8:0]  reg_address_i,
  input  wire logic [31:0] reg_wdata_i,
  output logic [31:0]      reg_rdata_o,

  // memories: 0 weights, 1 feedback, 2 activation tables, 3 derivative tables, 4 mini-batch sums, 5 codes (read only)
  input  wire logic               mem_valid_i,
  input  wire logic               mem_write_i,
  input  wire logic [2:0]         mem_select_i,
  input  wire logic [7:0]         mem_bank_i,
  input  wire logic [23:0]        mem_address_i,
  input  wire logic [MemoryW-1:0] mem_wdata_i,
  output logic [MemoryW-1:0]      mem_rdata_o,   // one cycle later

  // samples: one input code a beat; label and learn are taken with the first
  input  wire logic                    sample_valid_i,
  output logic                         sample_ready_o,
  input  wire logic signed [CodeW-1:0] sample_code_i,
  input  wire logic [16:0]             sample_label_i,
  input  wire logic                    sample_learn_i,

  // predictions
  output logic        result_valid_o,
  input  wire logic   result_ready_i,
  output logic [16:0] result_class_o,

  output logic        idle_o,   // between two samples, nothing to do

  output logic                    trace_valid_o,
  output logic [2:0]              trace_kind_o,
  output logic [3:0]              trace_layer_o,
  output logic [16:0]             trace_group_o,
  output logic [Lanes*TraceW-1:0] trace_data_o,
  output logic                    trace_write_o,      // a row of weights (or mini-batch sums) is written
  output logic [16:0]             trace_write_row_o,
  output logic [Lanes*WriteW-1:0] trace_write_data_o
);
  localparam int RowW  = 17;
  localparam int WideW = 24;
  localparam int GradW = (GradientW > 0) ? GradientW : 1;
  localparam int FeedbackAW = (FeedbackRows > 1) ? $clog2(FeedbackRows) : 1;
  localparam int IndexW = $clog2(Codes);
  localparam int TableW = $clog2(Layers * 256);

  // --- registers -----------------------------------------------------------------------------------------------------
  logic [3:0]  layer;
  logic [31:0] cycles_q;
  logic [31:0] cfg_dead_zone, cfg_hot, cfg_lane_seed, cfg_layer_bias_code, cfg_layer_row_seed;
  logic [1:0] cfg_command, cfg_zero_input, cfg_signal, cfg_layer_activation;
  logic [4:0] cfg_layers, cfg_layer_update_shift;
  logic [16:0] cfg_classes, cfg_lanes, cfg_activation_units, cfg_batch, cfg_layer_inputs, cfg_layer_units;
  logic [2:0] cfg_banks_log2, cfg_update_rounding, cfg_word_source, cfg_layer_table_frac;
  logic cfg_waits_for_error, cfg_gated, cfg_accumulator_overflow, cfg_weight_overflow, cfg_layer_output_signed;
  logic signed [31:0] cfg_error_gate;
  logic signed [6:0] cfg_error_shift, cfg_layer_preactivation_shift, cfg_layer_output_shift, cfg_layer_project_shift,
    cfg_layer_gate_shift;
  logic [5:0] cfg_accumulator_bits, cfg_layer_output_bits, cfg_layer_weight_bits, cfg_layer_delta_bits,
    cfg_layer_projection_bits;
  logic [19:0] cfg_layer_input_base, cfg_layer_output_base;
  logic [23:0] cfg_layer_weight_base, cfg_layer_feedback_base;
  nemu_registers #(
    .MaxLayers(Layers), .Semantics(Semantics), .Lanes(Lanes), .Banks(Banks), .Units(Units), .Layers(Layers)
  ) u_registers (
    .clk_i(clk_i), .rst_ni(rst_ni), .reg_valid_i(reg_valid_i), .reg_write_i(reg_write_i),
    .reg_address_i(reg_address_i), .reg_wdata_i(reg_wdata_i), .reg_rdata_o(reg_rdata_o),
    .layer_i(layer), .cycles_i(cycles_q),
    .command_o(cfg_command), .layers_o(cfg_layers), .classes_o(cfg_classes), .lanes_o(cfg_lanes),
    .banks_log2_o(cfg_banks_log2), .activation_units_o(cfg_activation_units), .zero_input_o(cfg_zero_input),
    .signal_o(cfg_signal), .waits_for_error_o(cfg_waits_for_error), .gated_o(cfg_gated),
    .error_gate_o(cfg_error_gate), .dead_zone_o(cfg_dead_zone), .hot_o(cfg_hot), .error_shift_o(cfg_error_shift),
    .accumulator_bits_o(cfg_accumulator_bits), .accumulator_overflow_o(cfg_accumulator_overflow),
    .update_rounding_o(cfg_update_rounding), .weight_overflow_o(cfg_weight_overflow),
    .word_source_o(cfg_word_source), .lane_seed_o(cfg_lane_seed), .batch_o(cfg_batch),
    .layer_inputs_o(cfg_layer_inputs), .layer_units_o(cfg_layer_units), .layer_input_base_o(cfg_layer_input_base),
    .layer_output_base_o(cfg_layer_output_base), .layer_weight_base_o(cfg_layer_weight_base),
    .layer_feedback_base_o(cfg_layer_feedback_base), .layer_bias_code_o(cfg_layer_bias_code),
    .layer_preactivation_shift_o(cfg_layer_preactivation_shift), .layer_activation_o(cfg_layer_activation),
    .layer_table_frac_o(cfg_layer_table_frac), .layer_output_shift_o(cfg_layer_output_shift),
    .layer_output_bits_o(cfg_layer_output_bits), .layer_output_signed_o(cfg_layer_output_signed),
    .layer_weight_bits_o(cfg_layer_weight_bits), .layer_delta_bits_o(cfg_layer_delta_bits),
    .layer_projection_bits_o(cfg_layer_projection_bits), .layer_project_shift_o(cfg_layer_project_shift),
    .layer_gate_shift_o(cfg_layer_gate_shift), .layer_update_shift_o(cfg_layer_update_shift),
    .layer_row_seed_o(cfg_layer_row_seed)
  );

  logic signed [DeltaW-1:0] delta_low, delta_high;
  logic                     batched, has_table, skips;
  nemu_limits #(.W(DeltaW)) u_delta_limits (
    .bits_i(cfg_layer_delta_bits), .signed_i(1'b1), .low_o(delta_low), .high_o(delta_high)
  );
  assign batched   = (GradientW > 0) && (cfg_batch != 17'd1);
  assign has_table = (cfg_layer_activation == 2'd0);

  // --- sequencer -----------------------------------------------------------------------------------------------------
  logic             load, issue, bias, keep, row_nonzero, conflict, gate_open;
  logic             forward, update, apply, phase_begin, update_begin, update_finish, activate, activate_drain;
  logic             label_read, project, project_finish, gate, delta_load, learn, seed, result, output_layer;
  logic             first_group, idle, busy;
  logic [RowW-1:0]  load_index, row, position, group, first, valid, beat, gate_next;
  logic [RowW-1:0]  class_index, class_group, class_lane;
  logic [WideW-1:0] row_base, feedback_base, kept, kept_next;
  nemu_sequencer #(.Layers(Layers), .RowW(RowW), .WideW(WideW)) u_sequencer (
    .clk_i(clk_i), .rst_ni(rst_ni), .command_i(cfg_command), .layers_i(cfg_layers), .classes_i(cfg_classes),
    .lanes_i(cfg_lanes), .units_in_use_i(cfg_activation_units), .access_zero_i(cfg_zero_input == 2'd0),
    .signal_i(cfg_signal), .waits_i(cfg_waits_for_error), .batch_i(cfg_batch), .inputs_i(cfg_layer_inputs),
    .units_i(cfg_layer_units), .has_table_i(has_table),
    .sample_valid_i(sample_valid_i), .sample_learn_i(sample_learn_i),
    .result_blocked_i(result_valid_o && !result_ready_i), .sample_ready_o(sample_ready_o),
    .load_o(load), .load_index_o(load_index), .idle_o(idle), .busy_o(busy),
    .row_i(row), .nonzero_i(row_nonzero), .conflict_i(conflict), .gate_open_i(gate_open),
    .position_o(position), .issue_o(issue), .bias_o(bias), .keep_o(keep),
    .layer_o(layer), .output_layer_o(output_layer), .group_o(group), .first_group_o(first_group),
    .first_o(first), .valid_o(valid), .row_base_o(row_base), .feedback_base_o(feedback_base),
    .kept_o(kept), .kept_next_o(kept_next),
    .forward_o(forward), .update_o(update), .apply_o(apply), .begin_o(phase_begin),
    .update_begin_o(update_begin), .update_finish_o(update_finish),
    .activate_o(activate), .beat_o(beat), .activate_drain_o(activate_drain),
    .label_o(label_read), .project_o(project), .class_o(class_index), .class_group_o(class_group),
    .class_lane_o(class_lane), .project_finish_o(project_finish), .gate_o(gate), .gate_next_o(gate_next),
    .delta_o(delta_load), .learn_o(learn), .seed_o(seed), .result_o(result)
  );
  assign idle_o = idle && (cfg_command == 2'd0) && !seed;

  logic [RowW-1:0] label_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni)   cycles_q <= 32'd0;
    else if (busy) cycles_q <= cycles_q + 32'd1;
    if (load && load_index == '0) label_q <= sample_label_i;
  end

  logic [Lanes-1:0] lane_valid;
  for (genvar l = 0; l < Lanes; l++) begin : g_valid
    assign lane_valid[l] = RowW'(l) < valid;
  end

  // --- codes of the sample -------------------------------------------------------------------------------------------
  logic [Codes-1:0]       nonzero;
  logic [Units-1:0]       code_write;
  logic [RowW-1:0]        code_first;
  logic [Units*CodeW-1:0] unit_codes;
  logic [CodeW-1:0]       code;
  logic [IndexW-1:0]      code_windex, code_rindex;
  always_comb begin
    code_windex = IndexW'(cfg_layer_output_base) + IndexW'(code_first);
    code_rindex = IndexW'(cfg_layer_input_base) + IndexW'(row);
    if (load) code_windex = IndexW'(cfg_layer_input_base) + IndexW'(load_index);
    if (idle) code_rindex = IndexW'(mem_address_i);
  end
  nemu_code_memory #(.Units(Units), .CodeW(CodeW), .Codes(Codes)) u_codes (
    .clk_i(clk_i), .rst_ni(rst_ni), .write_i(load ? Units'(1) : code_write),
    .windex_i(code_windex),
    .wdata_i(load ? (Units * CodeW)'($unsigned(sample_code_i)) : unit_codes),
    .read_i(idle ? (mem_valid_i && mem_select_i == 3'd5) : (issue && !bias && !apply)),
    .rindex_i(code_rindex),
    .rdata_o(code), .nonzero_o(nonzero)
  );
  assign skips = (cfg_zero_input == 2'd2) && !apply;
  nemu_row_finder #(.Codes(Codes)) u_finder (
    .nonzero_i(nonzero), .base_i(IndexW'(cfg_layer_input_base)), .position_i(position),
    .inputs_i(cfg_layer_inputs), .skip_i(skips), .row_o(row), .nonzero_o(row_nonzero)
  );

  // --- weights -------------------------------------------------------------------------------------------------------
  logic                     forward2, update1, update3, operate_q;
  logic [RowW-1:0]          row3;
  logic [Lanes*WeightW-1:0] weights, new_weights;
  logic [Lanes*GradW-1:0]   gradients, new_gradients;
  nemu_row_path #(
    .Lanes(Lanes), .Banks(Banks), .WeightW(WeightW), .GradientW(GradientW), .Rows(WeightRows), .MemoryW(MemoryW),
    .RowW(RowW), .WideW(WideW)
  ) u_rows (
    .clk_i(clk_i), .rst_ni(rst_ni), .issue_i(issue), .forward_i(forward), .apply_i(apply), .batched_i(batched),
    .row_i(row), .row_base_i(row_base), .weight_base_i(cfg_layer_weight_base), .banks_log2_i(cfg_banks_log2),
    .conflict_o(conflict), .forward2_o(forward2), .update1_o(update1), .update3_o(update3), .row3_o(row3),
    .weights_o(weights), .gradients_o(gradients), .weights_i(new_weights), .gradients_i(new_gradients),
    .idle_i(idle), .host_weights_i(mem_valid_i && idle && mem_select_i == 3'd0),
    .host_gradients_i(mem_valid_i && idle && mem_select_i == 3'd4), .host_write_i(mem_write_i),
    .host_bank_i(mem_bank_i), .host_address_i(mem_address_i), .host_wdata_i(mem_wdata_i)
  );
  always_ff @(posedge clk_i) operate_q <= issue;

  // --- feedback ------------------------------------------------------------------------------------------------------
  logic [Lanes*FeedbackW-1:0] feedback;
  logic [RowW-1:0]            feedback_class;
  logic [WideW-1:0]           feedback_row;
  logic [FeedbackAW-1:0]      feedback_raddress;
  logic                       host_feedback;
  always_comb begin
    feedback_raddress = FeedbackAW'(feedback_row);
    if (idle) feedback_raddress = FeedbackAW'(mem_address_i);
  end
  assign host_feedback = mem_valid_i && idle && (mem_select_i == 3'd1);
  assign feedback_class = project ? class_index : label_q;
  assign feedback_row  = cfg_layer_feedback_base + feedback_base + WideW'(feedback_class);
  nemu_ram_1r1w #(.Width(Lanes * FeedbackW), .Depth(FeedbackRows)) u_feedback (
    .clk_i(clk_i),
    .write_i(host_feedback && mem_write_i), .waddress_i(FeedbackAW'(mem_address_i)),
    .wdata_i((Lanes * FeedbackW)'(mem_wdata_i)),
    .read_i((host_feedback && !mem_write_i) || project || label_read),
    .raddress_i(feedback_raddress), .rdata_o(feedback)
  );

  // --- lanes ---------------------------------------------------------------------------------------------------------
  logic [Lanes*AccW-1:0]    acc;
  logic [Lanes*SignalW-1:0] signals;
  logic [Lanes*DeltaW-1:0]  deltas, errors;
  logic [Lanes*2-1:0]       signs;
  logic [Lanes-1:0]         slopes;
  logic [Units*DeltaW-1:0]  unit_deltas;
  logic [Lanes*32-1:0]      lane_registers;
  logic [31:0]              row_register;
  logic                     draws;
  nemu_lane_array #(
    .Lanes(Lanes), .Units(Units), .Layers(Layers), .WeightW(WeightW), .FeedbackW(FeedbackW), .CodeW(CodeW),
    .DeltaW(DeltaW), .AccW(AccW), .MidW(MidW), .GradientW(GradientW), .SignalW(SignalW), .RowW(RowW)
  ) u_lanes (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .accumulator_bits_i(cfg_accumulator_bits), .accumulator_mode_i(cfg_accumulator_overflow),
    .rounding_i(cfg_update_rounding), .weight_mode_i(cfg_weight_overflow), .word_source_i(cfg_word_source),
    .lane_seed_i(cfg_lane_seed), .row_seed_i(cfg_layer_row_seed), .weight_bits_i(cfg_layer_weight_bits),
    .update_shift_i(cfg_layer_update_shift), .project_shift_i(cfg_layer_project_shift),
    .projection_bits_i(cfg_layer_projection_bits), .gate_shift_i(cfg_layer_gate_shift),
    .delta_low_i(delta_low), .delta_high_i(delta_high), .bias_code_i(CodeW'(cfg_layer_bias_code)),
    .sign_signal_i(cfg_signal == 2'd3), .projected_i(cfg_signal != 2'd1),
    .layer_i(layer), .first_group_i(first_group), .first_i(first), .valid_i(lane_valid), .beat_i(beat),
    .units_in_use_i(cfg_activation_units), .seed_i(seed), .batched_i(batched), .apply_i(apply),
    .clear_i(phase_begin && (forward || project)), .update_begin_i(update_begin), .update_finish_i(update_finish),
    .operate_i(operate_q), .update1_i(update1), .accumulate_i(forward2), .bias_i(bias), .keep_i(keep),
    .project_i(project), .class_lane_i(class_lane), .project_finish_i(project_finish), .gate_i(gate),
    .has_table_i(has_table), .delta_load_i(delta_load),
    .weights_i(weights), .gradients_i(gradients), .feedback_i(feedback), .code_i(code), .errors_i(errors),
    .signs_i(signs), .slope_i(slopes), .unit_deltas_i(unit_deltas),
    .acc_o(acc), .weights_o(new_weights), .gradients_o(new_gradients), .signals_o(signals), .deltas_o(deltas),
    .draws_o(draws), .row_register_o(row_register), .lane_registers_o(lane_registers)
  );

  // --- activation, error, prediction ---------------------------------------------------------------------------------
  logic [RowW-1:0] predicted;
  logic            host_table, host_derivative;
  assign host_table      = mem_valid_i && mem_write_i && idle && (mem_select_i == 3'd2);
  assign host_derivative = mem_valid_i && mem_write_i && idle && (mem_select_i == 3'd3);
  nemu_output_stage #(
    .Lanes(Lanes), .Units(Units), .Layers(Layers), .AccW(AccW), .MidW(MidW), .CodeW(CodeW), .DeltaW(DeltaW),
    .SignalW(SignalW), .KeptGroups(KeptGroups), .ErrorGroups(ErrorGroups), .RowW(RowW), .WideW(WideW)
  ) u_output (
    .clk_i(clk_i), .units_in_use_i(cfg_activation_units), .waits_i(cfg_waits_for_error), .gated_i(cfg_gated),
    .error_gate_i((CodeW + 1)'(cfg_error_gate)), .dead_zone_i((CodeW + 1)'($signed({1'b0, cfg_dead_zone}))),
    .hot_i(CodeW'($signed({1'b0, cfg_hot}))), .error_shift_i(cfg_error_shift),
    .preactivation_shift_i(cfg_layer_preactivation_shift), .activation_i(cfg_layer_activation),
    .table_frac_i(cfg_layer_table_frac), .output_shift_i(cfg_layer_output_shift),
    .output_bits_i(cfg_layer_output_bits), .output_signed_i(cfg_layer_output_signed),
    .gate_shift_i(cfg_layer_gate_shift), .delta_low_i(delta_low), .delta_high_i(delta_high),
    .start_i(load), .label_i(label_q), .learn_i(learn), .layer_i(layer), .output_layer_i(output_layer),
    .group_i(group), .first_i(first), .valid_i(valid), .kept_i(kept), .kept_next_i(kept_next),
    .keeps_read_i(update && cfg_waits_for_error), .activate_i(activate), .beat_i(beat),
    .derive_i(label_read || project_finish || gate), .gate_next_i(gate_next),
    .acc_i(acc), .code_write_o(code_write), .code_first_o(code_first), .codes_o(unit_codes), .slope_o(slopes),
    .signals_i(signals), .unit_deltas_o(unit_deltas), .error_read_i(project || delta_load),
    .error_group_i(delta_load ? group : class_group), .errors_o(errors), .signs_o(signs),
    .gate_open_o(gate_open), .class_o(predicted),
    .table_write_i(host_table), .derivative_write_i(host_derivative), .table_address_i(TableW'(mem_address_i)),
    .table_wdata_i(EntryW'(mem_wdata_i))
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni)             result_valid_o <= 1'b0;
    else if (result)         result_valid_o <= 1'b1;
    else if (result_ready_i) result_valid_o <= 1'b0;
    if (result) result_class_o <= predicted;
  end

  // --- memory port, read data ----------------------------------------------------------------------------------------
  logic [2:0] mem_select_q;
  always_ff @(posedge clk_i) if (mem_valid_i) mem_select_q <= mem_select_i;
  always_comb begin
    case (mem_select_q)
      3'd0:    mem_rdata_o = MemoryW'(weights);
      3'd1:    mem_rdata_o = MemoryW'(feedback);
      3'd4:    mem_rdata_o = MemoryW'(gradients);
      default: mem_rdata_o = MemoryW'(code);
    endcase
  end

  // --- trace ---------------------------------------------------------------------------------------------------------
  logic [Lanes*WriteW-1:0] written;
  for (genvar l = 0; l < Lanes; l++) begin : g_written
    logic signed [WeightW-1:0] weight;
    logic signed [GradW-1:0]   sum;
    assign weight = new_weights[l*WeightW +: WeightW];
    assign sum    = new_gradients[l*GradW +: GradW];
    assign written[l*WriteW +: WriteW] = (batched && !apply) ? WriteW'(sum) : WriteW'(weight);
  end
  assign trace_write_o      = update3;
  assign trace_write_row_o  = row3;
  assign trace_write_data_o = written;

  if (Trace != 0) begin : g_trace
    logic [Lanes-1:0]       output_lane;
    logic [Lanes*CodeW-1:0] output_codes;
    logic [RowW-1:0]        lane_0;
    assign lane_0 = code_first - first;
    for (genvar l = 0; l < Lanes; l++) begin : g_lane
      always_comb begin
        output_lane[l]                   = 1'b0;
        output_codes[l*CodeW +: CodeW]   = unit_codes[CodeW-1:0];
        for (int u = 0; u < Units; u++) begin
          if (lane_0 + RowW'(u) == RowW'(l)) begin
            output_lane[l]                 = code_write[u];
            output_codes[l*CodeW +: CodeW] = unit_codes[u*CodeW +: CodeW];
          end
        end
      end
    end
    nemu_trace #(
      .Lanes(Lanes), .TraceW(TraceW), .AccW(AccW), .CodeW(CodeW), .SignalW(SignalW), .DeltaW(DeltaW),
      .WriteW(WriteW), .RowW(RowW)
    ) u_trace (
      .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(lane_valid), .layer_i(layer), .group_i(group),
      .activate_begin_i(phase_begin && activate), .acc_i(acc), .output_i(output_lane), .codes_i(output_codes),
      .outputs_end_i(activate_drain), .signal_i(phase_begin && gate), .signals_i(signals),
      .update_begin_i(update_begin), .delta_shown_i(update), .deltas_i(deltas), .update_finish_i(update_finish),
      .draws_i(draws), .per_lane_i(cfg_word_source == 3'd3 || cfg_word_source == 3'd4),
      .row_register_i(row_register), .lane_registers_i(lane_registers),
      .write_i(update3), .row_i(row3), .words_i(written), .result_i(result), .class_i(predicted),
      .trace_valid_o(trace_valid_o), .trace_kind_o(trace_kind_o), .trace_layer_o(trace_layer_o),
      .trace_group_o(trace_group_o), .trace_data_o(trace_data_o)
    );
  end else begin : g_no_trace
    logic unused;
    assign unused        = ^{activate_drain, deltas, lane_registers, row_register, draws};
    assign trace_valid_o = 1'b0;
    assign trace_kind_o  = '0;
    assign trace_layer_o = '0;
    assign trace_group_o = '0;
    assign trace_data_o  = '0;
  end
endmodule
`default_nettype wire
