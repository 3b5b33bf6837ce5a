// What the chip does in each cycle: phases, layers, groups and rows in the order of docs/numerics.md, section 8, with
// the cycles of docs/machine.md. Rows are issued here; everything behind the issue is a pipeline of fixed depth.
`default_nettype none
module nemu_sequencer #(
  parameter int Layers = 2,
  parameter int RowW   = 17,  // counts rows, neurons, classes
  parameter int WideW  = 24   // counts words of a memory
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,

  // configuration of the chip and of layer_o
  input  wire logic [1:0]       command_i,
  input  wire logic [4:0]       layers_i,
  input  wire logic [RowW-1:0]  classes_i,
  input  wire logic [RowW-1:0]  lanes_i,
  input  wire logic [RowW-1:0]  units_in_use_i,   // activation units
  input  wire logic             access_zero_i,    // rows of code 0 are accessed
  input  wire logic [1:0]       signal_i,
  input  wire logic             waits_i,
  input  wire logic [RowW-1:0]  batch_i,
  input  wire logic [RowW-1:0]  inputs_i,
  input  wire logic [RowW-1:0]  units_i,
  input  wire logic             has_table_i,

  // sample stream
  input  wire logic             sample_valid_i,
  input  wire logic             sample_learn_i,
  input  wire logic             result_blocked_i, // the last result has not been taken
  output logic                  sample_ready_o,
  output logic                  load_o,           // a code is taken
  output logic [RowW-1:0]       load_index_o,
  output logic                  idle_o,           // between two samples
  output logic                  busy_o,           // this cycle counts

  // rows
  input  wire logic [RowW-1:0]  row_i,            // next row that takes a cycle
  input  wire logic             nonzero_i,
  input  wire logic             conflict_i,       // its bank is being written
  input  wire logic             gate_open_i,
  output logic [RowW-1:0]       position_o,
  output logic                  issue_o,          // the row is accessed
  output logic                  bias_o,
  output logic                  keep_o,           // a row of code 0: written back unchanged

  // where
  output logic [3:0]            layer_o,
  output logic                  output_layer_o,
  output logic [RowW-1:0]       group_o,
  output logic                  first_group_o,
  output logic [RowW-1:0]       first_o,          // neuron in lane 0
  output logic [RowW-1:0]       valid_o,          // lanes that hold a neuron
  output logic [WideW-1:0]      row_base_o,       // address of the group's row 0
  output logic [WideW-1:0]      feedback_base_o,  // of the group's class 0
  output logic [WideW-1:0]      kept_o,           // pre-activation word of this hidden group
  output logic [WideW-1:0]      kept_next_o,      // of the group that learns next

  // phases
  output logic                  forward_o,        // rows: 1 forward, else 1 of the next two
  output logic                  update_o,
  output logic                  apply_o,
  output logic                  begin_o,          // first cycle of a phase
  output logic                  update_begin_o,
  output logic                  update_finish_o,
  output logic                  activate_o,
  output logic [RowW-1:0]       beat_o,           // lane of activation unit 0
  output logic                  activate_drain_o,
  output logic                  label_o,
  output logic                  project_o,
  output logic [RowW-1:0]       class_o,
  output logic [RowW-1:0]       class_group_o,
  output logic [RowW-1:0]       class_lane_o,
  output logic                  project_finish_o,
  output logic                  gate_o,
  output logic [RowW-1:0]       gate_next_o,      // lane of activation unit 0 in the next cycle
  output logic                  delta_o,          // the output error goes into the lanes
  output logic                  learn_o,
  output logic                  seed_o,
  output logic                  result_o          // the prediction is known
);
  localparam logic [3:0] Load = 4'd0, Forward = 4'd1, Activate = 4'd2, Label = 4'd3, Project = 4'd4;
  localparam logic [3:0] Gate = 4'd5, Delta = 4'd6, Update = 4'd7, Apply = 4'd8, Seed = 4'd9;

  localparam int LayerW = (Layers > 1) ? $clog2(Layers) : 1;
  localparam logic [1:0] ForwardDrain = 2'd2, ProjectDrain = 2'd3, UpdateDrain = 2'd3;

  logic [3:0]        state_q, state_d;
  logic              began_q;                // first cycle of the state
  logic [1:0]        drain_q, drain_d;       // cycles until the pipeline is empty, once the last row is issued
  logic              deferred_q, deferred_d; // learning after the forward pass, not within it
  logic              learn_q;
  logic [3:0]        layer_q, layer_d;
  logic [RowW-1:0]   group_q, first_q, position_q, position_d, beat_q, beat_d, fill_q, fill_d;
  logic [RowW-1:0]   class_group_q, class_lane_q;
  logic [WideW-1:0]  row_base_q, feedback_base_q, kept_q;
  logic [WideW-1:0]  kept_start_q [0:Layers-1];
  logic [LayerW-1:0] layer_here, layer_before;
  logic              next_group;             // step to the next group

  logic              last_group, last_layer, hidden_learns, learns_now, drained, rows_run, last_beat;
  assign last_layer    = {1'b0, layer_q} == layers_i - 5'd1;
  assign last_group    = first_q + lanes_i >= units_i;
  assign hidden_learns = (signal_i != 2'd0);
  assign learns_now    = learn_q && hidden_learns && !waits_i;
  assign drained       = (drain_q == 2'd1);
  assign valid_o       = (units_i - first_q < lanes_i) ? units_i - first_q : lanes_i;
  assign last_beat     = beat_q + units_in_use_i >= valid_o;

  // --- rows ---------------------------------------------------------------------------------------------------------
  logic row_state, wants, seed_command, apply_command;
  assign seed_command  = command_i[0];
  assign apply_command = command_i[1];
  assign row_state = (state_q == Forward) || (state_q == Update) || (state_q == Apply);
  assign rows_run  = row_state && (drain_q == 2'd0);
  assign bias_o    = (row_i == inputs_i);
  assign wants     = rows_run && (bias_o || nonzero_i || access_zero_i || state_q == Apply);
  assign keep_o    = !bias_o && !nonzero_i && (state_q != Apply);
  assign issue_o   = wants && !(conflict_i && state_q != Forward);

  logic passes;  // the row slot is over
  assign passes = rows_run && (issue_o || !wants);

  // --- the next state -----------------------------------------------------------------------------------------------
  logic [3:0] first_signal, apply_layer;
  logic   sample_done, batch_full;
  assign first_signal = (signal_i == 2'd1) ? Label : Project;
  assign apply_layer  = (waits_i || !hidden_learns) ? 4'(layers_i - 5'd1) : 4'd0;
  assign batch_full   = learn_q && (batch_i != RowW'(1)) && (fill_q + RowW'(1) == batch_i);

  always_comb begin
    state_d     = state_q;
    drain_d     = (drain_q != 2'd0) ? drain_q - 2'd1 : 2'd0;
    position_d  = position_q;
    beat_d      = '0;
    deferred_d  = deferred_q;
    layer_d     = layer_q;
    fill_d      = fill_q;
    next_group  = 1'b0;
    sample_done = 1'b0;

    case (state_q)
      Seed: begin
        if (last_layer) state_d = Load;
        layer_d    = last_layer ? 4'd0 : layer_q + 4'd1;
        fill_d     = '0;
      end

      Load: begin
        if (load_o) begin
          position_d = position_q + RowW'(1);
          if (position_d == inputs_i) state_d = Forward;
        end else if (idle_o && seed_command) begin
          state_d = Seed;
        end else if (idle_o && apply_command && fill_q != '0) begin
          state_d = Apply;
          layer_d = apply_layer;
        end
      end

      Forward, Update, Apply: begin
        if (passes) begin
          position_d = row_i + RowW'(1);
          if (bias_o) drain_d = (state_q == Forward) ? ForwardDrain : UpdateDrain;
        end
        if (drained && state_q == Forward) state_d = Activate;
        if (drained && state_q != Forward) begin
          next_group = 1'b1;
          if (state_q == Apply) begin
            if (last_group) begin
              if (waits_i && layer_q != 4'd0) layer_d = layer_q - 4'd1;
              else if (!waits_i && !last_layer) layer_d = layer_q + 4'd1;
              else begin
                layer_d = 4'd0;
                state_d = Load;
                fill_d  = '0;
              end
            end
          end else if (!deferred_q) begin  // a hidden layer that needed the label alone
            state_d = Forward;
            if (last_group) begin
              layer_d    = layer_q + 4'd1;
            end
          end else if (!last_group) begin
            state_d = last_layer ? Delta : first_signal;
          end else begin
            if (layer_q != 4'd0 && hidden_learns && waits_i && gate_open_i) begin
              layer_d = layer_q - 4'd1;
              state_d = first_signal;
            end else begin
              sample_done = 1'b1;
            end
          end
        end
      end

      Activate: begin
        beat_d = beat_q;
        if (drain_q == 2'd0) begin
          beat_d = beat_q + units_in_use_i;
          if (last_beat) drain_d = 2'd1;
        end
        if (drained) begin
          if (learns_now && !last_layer) begin
            state_d = Label;
          end else begin
            next_group = 1'b1;
            state_d    = Forward;
            if (last_group) begin
              if (!last_layer) begin
                layer_d = layer_q + 4'd1;
              end else if (learn_q) begin
                state_d    = Delta;
                deferred_d = 1'b1;
              end else begin
                sample_done = 1'b1;
              end
            end
          end
        end
      end

      Label: state_d = Gate;

      Project: begin
        if (drain_q == 2'd0) begin
          position_d = position_q + RowW'(1);
          if (position_d == classes_i) drain_d = ProjectDrain;
        end
        if (drained) state_d = Gate;
      end

      Gate: begin
        beat_d = beat_q + units_in_use_i;
        if (last_beat || !has_table_i) state_d = Update;
      end

      Delta: state_d = Update;
      default: state_d = Load;
    endcase

    if (sample_done) begin
      state_d    = Load;
      layer_d    = 4'd0;
      deferred_d = 1'b0;
      if (learn_q && batch_i != RowW'(1)) fill_d = fill_q + RowW'(1);
      if (batch_full) begin
        state_d = Apply;
        layer_d = apply_layer;
      end
    end
    if (state_d != state_q || next_group) begin
      position_d = '0;
      beat_d     = '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q    <= Load;
      drain_q    <= 2'd0;
      position_q <= '0;
      beat_q     <= '0;
      deferred_q <= 1'b0;
      layer_q    <= 4'd0;
      fill_q     <= '0;
      began_q    <= 1'b0;
      learn_q    <= 1'b0;
    end else begin
      state_q    <= state_d;
      drain_q    <= drain_d;
      position_q <= position_d;
      beat_q     <= beat_d;
      deferred_q <= deferred_d;
      layer_q    <= layer_d;
      fill_q     <= fill_d;
      began_q    <= (state_d != state_q) || next_group;
      if (load_o && position_q == '0) learn_q <= sample_learn_i;
    end
  end

  // --- counters of the groups ----------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    if (!rst_ni || (next_group && last_group)) begin
      group_q         <= '0;
      first_q         <= '0;
      row_base_q      <= '0;
      feedback_base_q <= '0;
    end else if (next_group) begin
      group_q         <= group_q + RowW'(1);
      first_q         <= first_q + lanes_i;
      row_base_q      <= row_base_q + WideW'(inputs_i) + WideW'(1);
      feedback_base_q <= feedback_base_q + WideW'(classes_i);
    end
  end

  // Kept pre-activations: hidden groups in the order of the forward pass, one word each.
  assign kept_next_o = (last_layer || last_group) ? kept_start_q[layer_before] : kept_q + WideW'(1);
  assign kept_o       = kept_q;
  assign layer_here   = LayerW'(layer_q);
  assign layer_before = LayerW'(layer_q - 4'd1);
  always_ff @(posedge clk_i) begin
    if (state_q == Load) kept_q <= '0;
    else if (state_q == Forward && state_d == Activate && group_q == '0) kept_start_q[layer_here] <= kept_q;
    else if (state_q == Activate && drained && !last_layer) kept_q <= kept_q + WideW'(1);
    else if (state_q == Update && drained && deferred_q) kept_q <= kept_next_o;
  end

  always_ff @(posedge clk_i) begin
    if (state_q != Project) begin
      class_group_q <= '0;
      class_lane_q  <= '0;
    end else if (class_lane_q + RowW'(1) == lanes_i) begin
      class_group_q <= class_group_q + RowW'(1);
      class_lane_q  <= '0;
    end else begin
      class_lane_q  <= class_lane_q + RowW'(1);
    end
  end

  // --- outputs -------------------------------------------------------------------------------------------------------
  assign idle_o           = (state_q == Load) && (position_q == '0);
  assign sample_ready_o   = (state_q == Load) && !(idle_o && (result_blocked_i || command_i != 2'd0));
  assign load_o           = sample_ready_o && sample_valid_i;
  assign load_index_o     = position_q;
  assign busy_o           = load_o || (state_q != Load && state_q != Seed);
  assign position_o       = position_q;
  assign layer_o          = layer_q;
  assign output_layer_o   = last_layer;
  assign group_o          = group_q;
  assign first_group_o    = (group_q == '0);
  assign first_o          = first_q;
  assign row_base_o       = row_base_q;
  assign feedback_base_o  = feedback_base_q;
  assign forward_o        = (state_q == Forward);
  assign update_o         = (state_q == Update);
  assign apply_o          = (state_q == Apply);
  assign begin_o          = began_q;
  assign update_begin_o   = began_q && (state_q == Update || state_q == Apply);
  assign update_finish_o  = drained && (state_q == Update || state_q == Apply);
  assign activate_o       = (state_q == Activate) && (drain_q == 2'd0);
  assign activate_drain_o = (state_q == Activate) && (drain_q != 2'd0);
  assign beat_o           = beat_q;
  assign label_o          = (state_q == Label);
  assign project_o        = (state_q == Project) && (drain_q == 2'd0);
  assign class_o          = position_q;
  assign class_group_o    = class_group_q;
  assign class_lane_o     = class_lane_q;
  assign project_finish_o = (state_q == Project) && drained;
  assign gate_o           = (state_q == Gate);
  assign gate_next_o      = (state_q == Gate) ? beat_q + units_in_use_i : '0;
  assign delta_o          = (state_q == Delta);
  assign learn_o          = learn_q;
  assign seed_o           = (state_q == Seed);
  assign result_o         = activate_drain_o && last_layer && last_group;
endmodule
`default_nettype wire
