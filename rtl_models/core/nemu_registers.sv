// Generated from registers.yaml by `python rtl_models/generate.py`; do not edit.
// The configuration registers; REGISTERS.md describes them.
`default_nettype none
module nemu_registers #(
  parameter int MaxLayers = 4,
  parameter int Semantics = 1,
  parameter int Lanes     = 1,
  parameter int Banks     = 1,
  parameter int Units     = 1,
  parameter int Layers    = MaxLayers
) (
  input  wire logic          clk_i,
  input  wire logic          rst_ni,
  input  wire logic          reg_valid_i,
  input  wire logic          reg_write_i,
  input  wire logic [8:0]    reg_address_i,
  input  wire logic [31:0]   reg_wdata_i,
  output logic [31:0]        reg_rdata_o,
  // verilator lint_off UNUSEDSIGNAL
  input  wire logic [3:0]    layer_i,  // few layers need few of its bits
  // verilator lint_on UNUSEDSIGNAL
  input  wire logic [31:0]   cycles_i,
  output logic [1:0]         command_o,
  output logic [4:0]         layers_o,
  output logic [16:0]        classes_o,
  output logic [16:0]        lanes_o,
  output logic [2:0]         banks_log2_o,
  output logic [16:0]        activation_units_o,
  output logic [1:0]         zero_input_o,
  output logic [1:0]         signal_o,
  output logic               waits_for_error_o,
  output logic               gated_o,
  output logic signed [31:0] error_gate_o,
  output logic [31:0]        dead_zone_o,
  output logic [31:0]        hot_o,
  output logic signed [6:0]  error_shift_o,
  output logic [5:0]         accumulator_bits_o,
  output logic               accumulator_overflow_o,
  output logic [2:0]         update_rounding_o,
  output logic               weight_overflow_o,
  output logic [2:0]         word_source_o,
  output logic [31:0]        lane_seed_o,
  output logic [16:0]        batch_o,
  output logic [16:0]        layer_inputs_o,
  output logic [16:0]        layer_units_o,
  output logic [19:0]        layer_input_base_o,
  output logic [19:0]        layer_output_base_o,
  output logic [23:0]        layer_weight_base_o,
  output logic [23:0]        layer_feedback_base_o,
  output logic [31:0]        layer_bias_code_o,
  output logic signed [6:0]  layer_preactivation_shift_o,
  output logic [1:0]         layer_activation_o,
  output logic [2:0]         layer_table_frac_o,
  output logic signed [6:0]  layer_output_shift_o,
  output logic [5:0]         layer_output_bits_o,
  output logic               layer_output_signed_o,
  output logic [5:0]         layer_weight_bits_o,
  output logic [5:0]         layer_delta_bits_o,
  output logic [5:0]         layer_projection_bits_o,
  output logic signed [6:0]  layer_project_shift_o,
  output logic signed [6:0]  layer_gate_shift_o,
  output logic [4:0]         layer_update_shift_o,
  output logic [31:0]        layer_row_seed_o
);
  // The addresses have room for 14 layers.
  localparam int IndexW = (MaxLayers > 1) ? $clog2(MaxLayers) : 1;

  localparam logic [8:0] AtIdentity                = 9'd0;
  localparam logic [8:0] AtSemantics               = 9'd1;
  localparam logic [8:0] AtBuiltLanes              = 9'd2;
  localparam logic [8:0] AtBuiltBanks              = 9'd3;
  localparam logic [8:0] AtBuiltActivationUnits    = 9'd4;
  localparam logic [8:0] AtBuiltLayers             = 9'd5;
  localparam logic [8:0] AtCycles                  = 9'd6;
  localparam logic [8:0] AtCommand                 = 9'd7;
  localparam logic [8:0] AtLayers                  = 9'd8;
  localparam logic [8:0] AtClasses                 = 9'd9;
  localparam logic [8:0] AtLanes                   = 9'd10;
  localparam logic [8:0] AtBanksLog2               = 9'd11;
  localparam logic [8:0] AtActivationUnits         = 9'd12;
  localparam logic [8:0] AtZeroInput               = 9'd13;
  localparam logic [8:0] AtSignal                  = 9'd14;
  localparam logic [8:0] AtWaitsForError           = 9'd15;
  localparam logic [8:0] AtGated                   = 9'd16;
  localparam logic [8:0] AtErrorGate               = 9'd17;
  localparam logic [8:0] AtDeadZone                = 9'd18;
  localparam logic [8:0] AtHot                     = 9'd19;
  localparam logic [8:0] AtErrorShift              = 9'd20;
  localparam logic [8:0] AtAccumulatorBits         = 9'd21;
  localparam logic [8:0] AtAccumulatorOverflow     = 9'd22;
  localparam logic [8:0] AtUpdateRounding          = 9'd23;
  localparam logic [8:0] AtWeightOverflow          = 9'd24;
  localparam logic [8:0] AtWordSource              = 9'd25;
  localparam logic [8:0] AtLaneSeed                = 9'd26;
  localparam logic [8:0] AtBatch                   = 9'd27;
  localparam logic [4:0] AtLayerInputs             = 5'd0;
  localparam logic [4:0] AtLayerUnits              = 5'd1;
  localparam logic [4:0] AtLayerInputBase          = 5'd2;
  localparam logic [4:0] AtLayerOutputBase         = 5'd3;
  localparam logic [4:0] AtLayerWeightBase         = 5'd4;
  localparam logic [4:0] AtLayerFeedbackBase       = 5'd5;
  localparam logic [4:0] AtLayerBiasCode           = 5'd6;
  localparam logic [4:0] AtLayerPreactivationShift = 5'd7;
  localparam logic [4:0] AtLayerActivation         = 5'd8;
  localparam logic [4:0] AtLayerTableFrac          = 5'd9;
  localparam logic [4:0] AtLayerOutputShift        = 5'd10;
  localparam logic [4:0] AtLayerOutputBits         = 5'd11;
  localparam logic [4:0] AtLayerOutputSigned       = 5'd12;
  localparam logic [4:0] AtLayerWeightBits         = 5'd13;
  localparam logic [4:0] AtLayerDeltaBits          = 5'd14;
  localparam logic [4:0] AtLayerProjectionBits     = 5'd15;
  localparam logic [4:0] AtLayerProjectShift       = 5'd16;
  localparam logic [4:0] AtLayerGateShift          = 5'd17;
  localparam logic [4:0] AtLayerUpdateShift        = 5'd18;
  localparam logic [4:0] AtLayerRowSeed            = 5'd19;

  // Below the layers' registers the subtraction wraps; in_layers tells.
  logic [4:0]        offset;
  logic [3:0]        layer;
  logic [IndexW-1:0] bus_layer, read_layer;
  logic              in_layers;
  assign offset     = 5'(reg_address_i);
  assign layer      = 4'((reg_address_i - 9'd64) >> 5);
  assign in_layers  = (reg_address_i >= 9'd64) && (32'(layer) < MaxLayers);
  assign bus_layer  = IndexW'(layer);
  assign read_layer = IndexW'(layer_i);

  logic write_chip, write_layer;
  assign write_chip  = reg_valid_i && reg_write_i && !in_layers;
  assign write_layer = reg_valid_i && reg_write_i && in_layers;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      layers_o               <= 5'd1;
      classes_o              <= 17'd10;
      lanes_o                <= 17'd1;
      banks_log2_o           <= 3'd0;
      activation_units_o     <= 17'd1;
      zero_input_o           <= 2'd0;
      signal_o               <= 2'd0;
      waits_for_error_o      <= 1'd0;
      gated_o                <= 1'd0;
      error_gate_o           <= 32'sd0;
      dead_zone_o            <= 32'd0;
      hot_o                  <= 32'd255;
      error_shift_o          <= 7'sd0;
      accumulator_bits_o     <= 6'd32;
      accumulator_overflow_o <= 1'd0;
      update_rounding_o      <= 3'd4;
      weight_overflow_o      <= 1'd0;
      word_source_o          <= 3'd0;
      lane_seed_o            <= 32'd1;
      batch_o                <= 17'd1;
    end else if (write_chip) begin
      case (reg_address_i)
        AtLayers:              layers_o <= reg_wdata_i[4:0];
        AtClasses:             classes_o <= reg_wdata_i[16:0];
        AtLanes:               lanes_o <= reg_wdata_i[16:0];
        AtBanksLog2:           banks_log2_o <= reg_wdata_i[2:0];
        AtActivationUnits:     activation_units_o <= reg_wdata_i[16:0];
        AtZeroInput:           zero_input_o <= reg_wdata_i[1:0];
        AtSignal:              signal_o <= reg_wdata_i[1:0];
        AtWaitsForError:       waits_for_error_o <= reg_wdata_i[0];
        AtGated:               gated_o <= reg_wdata_i[0];
        AtErrorGate:           error_gate_o <= reg_wdata_i;
        AtDeadZone:            dead_zone_o <= reg_wdata_i;
        AtHot:                 hot_o <= reg_wdata_i;
        AtErrorShift:          error_shift_o <= reg_wdata_i[6:0];
        AtAccumulatorBits:     accumulator_bits_o <= reg_wdata_i[5:0];
        AtAccumulatorOverflow: accumulator_overflow_o <= reg_wdata_i[0];
        AtUpdateRounding:      update_rounding_o <= reg_wdata_i[2:0];
        AtWeightOverflow:      weight_overflow_o <= reg_wdata_i[0];
        AtWordSource:          word_source_o <= reg_wdata_i[2:0];
        AtLaneSeed:            lane_seed_o <= reg_wdata_i;
        AtBatch:               batch_o <= reg_wdata_i[16:0];
        default: ;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    command_o <= (rst_ni && write_chip && (reg_address_i == AtCommand)) ? reg_wdata_i[1:0] : 2'd0;
  end

  logic [16:0]       inputs_q [0:MaxLayers-1];
  logic [16:0]       units_q [0:MaxLayers-1];
  logic [19:0]       input_base_q [0:MaxLayers-1];
  logic [19:0]       output_base_q [0:MaxLayers-1];
  logic [23:0]       weight_base_q [0:MaxLayers-1];
  logic [23:0]       feedback_base_q [0:MaxLayers-1];
  logic [31:0]       bias_code_q [0:MaxLayers-1];
  logic signed [6:0] preactivation_shift_q [0:MaxLayers-1];
  logic [1:0]        activation_q [0:MaxLayers-1];
  logic [2:0]        table_frac_q [0:MaxLayers-1];
  logic signed [6:0] output_shift_q [0:MaxLayers-1];
  logic [5:0]        output_bits_q [0:MaxLayers-1];
  logic              output_signed_q [0:MaxLayers-1];
  logic [5:0]        weight_bits_q [0:MaxLayers-1];
  logic [5:0]        delta_bits_q [0:MaxLayers-1];
  logic [5:0]        projection_bits_q [0:MaxLayers-1];
  logic signed [6:0] project_shift_q [0:MaxLayers-1];
  logic signed [6:0] gate_shift_q [0:MaxLayers-1];
  logic [4:0]        update_shift_q [0:MaxLayers-1];
  logic [31:0]       row_seed_q [0:MaxLayers-1];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      for (int l = 0; l < MaxLayers; l = l + 1) begin
        inputs_q[l]              <= 17'd1;
        units_q[l]               <= 17'd1;
        input_base_q[l]          <= 20'd0;
        output_base_q[l]         <= 20'd0;
        weight_base_q[l]         <= 24'd0;
        feedback_base_q[l]       <= 24'd0;
        bias_code_q[l]           <= 32'd1;
        preactivation_shift_q[l] <= 7'sd0;
        activation_q[l]          <= 2'd0;
        table_frac_q[l]          <= 3'd4;
        output_shift_q[l]        <= 7'sd0;
        output_bits_q[l]         <= 6'd8;
        output_signed_q[l]       <= 1'd1;
        weight_bits_q[l]         <= 6'd8;
        delta_bits_q[l]          <= 6'd8;
        projection_bits_q[l]     <= 6'd8;
        project_shift_q[l]       <= 7'sd0;
        gate_shift_q[l]          <= 7'sd0;
        update_shift_q[l]        <= 5'd0;
        row_seed_q[l]            <= 32'd1;
      end
    end else if (write_layer) begin
      case (offset)
        AtLayerInputs:             inputs_q[bus_layer] <= reg_wdata_i[16:0];
        AtLayerUnits:              units_q[bus_layer] <= reg_wdata_i[16:0];
        AtLayerInputBase:          input_base_q[bus_layer] <= reg_wdata_i[19:0];
        AtLayerOutputBase:         output_base_q[bus_layer] <= reg_wdata_i[19:0];
        AtLayerWeightBase:         weight_base_q[bus_layer] <= reg_wdata_i[23:0];
        AtLayerFeedbackBase:       feedback_base_q[bus_layer] <= reg_wdata_i[23:0];
        AtLayerBiasCode:           bias_code_q[bus_layer] <= reg_wdata_i;
        AtLayerPreactivationShift: preactivation_shift_q[bus_layer] <= reg_wdata_i[6:0];
        AtLayerActivation:         activation_q[bus_layer] <= reg_wdata_i[1:0];
        AtLayerTableFrac:          table_frac_q[bus_layer] <= reg_wdata_i[2:0];
        AtLayerOutputShift:        output_shift_q[bus_layer] <= reg_wdata_i[6:0];
        AtLayerOutputBits:         output_bits_q[bus_layer] <= reg_wdata_i[5:0];
        AtLayerOutputSigned:       output_signed_q[bus_layer] <= reg_wdata_i[0];
        AtLayerWeightBits:         weight_bits_q[bus_layer] <= reg_wdata_i[5:0];
        AtLayerDeltaBits:          delta_bits_q[bus_layer] <= reg_wdata_i[5:0];
        AtLayerProjectionBits:     projection_bits_q[bus_layer] <= reg_wdata_i[5:0];
        AtLayerProjectShift:       project_shift_q[bus_layer] <= reg_wdata_i[6:0];
        AtLayerGateShift:          gate_shift_q[bus_layer] <= reg_wdata_i[6:0];
        AtLayerUpdateShift:        update_shift_q[bus_layer] <= reg_wdata_i[4:0];
        AtLayerRowSeed:            row_seed_q[bus_layer] <= reg_wdata_i;
        default: ;
      endcase
    end
  end

  assign layer_inputs_o              = inputs_q[read_layer];
  assign layer_units_o               = units_q[read_layer];
  assign layer_input_base_o          = input_base_q[read_layer];
  assign layer_output_base_o         = output_base_q[read_layer];
  assign layer_weight_base_o         = weight_base_q[read_layer];
  assign layer_feedback_base_o       = feedback_base_q[read_layer];
  assign layer_bias_code_o           = bias_code_q[read_layer];
  assign layer_preactivation_shift_o = preactivation_shift_q[read_layer];
  assign layer_activation_o          = activation_q[read_layer];
  assign layer_table_frac_o          = table_frac_q[read_layer];
  assign layer_output_shift_o        = output_shift_q[read_layer];
  assign layer_output_bits_o         = output_bits_q[read_layer];
  assign layer_output_signed_o       = output_signed_q[read_layer];
  assign layer_weight_bits_o         = weight_bits_q[read_layer];
  assign layer_delta_bits_o          = delta_bits_q[read_layer];
  assign layer_projection_bits_o     = projection_bits_q[read_layer];
  assign layer_project_shift_o       = project_shift_q[read_layer];
  assign layer_gate_shift_o          = gate_shift_q[read_layer];
  assign layer_update_shift_o        = update_shift_q[read_layer];
  assign layer_row_seed_o            = row_seed_q[read_layer];

  wire logic [16:0]       inputs_read = inputs_q[bus_layer];
  wire logic [16:0]       units_read = units_q[bus_layer];
  wire logic [19:0]       input_base_read = input_base_q[bus_layer];
  wire logic [19:0]       output_base_read = output_base_q[bus_layer];
  wire logic [23:0]       weight_base_read = weight_base_q[bus_layer];
  wire logic [23:0]       feedback_base_read = feedback_base_q[bus_layer];
  wire logic [31:0]       bias_code_read = bias_code_q[bus_layer];
  wire logic signed [6:0] preactivation_shift_read = preactivation_shift_q[bus_layer];
  wire logic [1:0]        activation_read = activation_q[bus_layer];
  wire logic [2:0]        table_frac_read = table_frac_q[bus_layer];
  wire logic signed [6:0] output_shift_read = output_shift_q[bus_layer];
  wire logic [5:0]        output_bits_read = output_bits_q[bus_layer];
  wire logic              output_signed_read = output_signed_q[bus_layer];
  wire logic [5:0]        weight_bits_read = weight_bits_q[bus_layer];
  wire logic [5:0]        delta_bits_read = delta_bits_q[bus_layer];
  wire logic [5:0]        projection_bits_read = projection_bits_q[bus_layer];
  wire logic signed [6:0] project_shift_read = project_shift_q[bus_layer];
  wire logic signed [6:0] gate_shift_read = gate_shift_q[bus_layer];
  wire logic [4:0]        update_shift_read = update_shift_q[bus_layer];
  wire logic [31:0]       row_seed_read = row_seed_q[bus_layer];

  logic [31:0] chip_rdata, layer_rdata;
  always_comb begin
    case (reg_address_i)
      AtIdentity:             chip_rdata = 32'h4E454D55;
      AtSemantics:            chip_rdata = Semantics;
      AtBuiltLanes:           chip_rdata = Lanes;
      AtBuiltBanks:           chip_rdata = Banks;
      AtBuiltActivationUnits: chip_rdata = Units;
      AtBuiltLayers:          chip_rdata = Layers;
      AtCycles:               chip_rdata = cycles_i;
      AtCommand:              chip_rdata = 32'd0;
      AtLayers:               chip_rdata = 32'(layers_o);
      AtClasses:              chip_rdata = 32'(classes_o);
      AtLanes:                chip_rdata = 32'(lanes_o);
      AtBanksLog2:            chip_rdata = 32'(banks_log2_o);
      AtActivationUnits:      chip_rdata = 32'(activation_units_o);
      AtZeroInput:            chip_rdata = 32'(zero_input_o);
      AtSignal:               chip_rdata = 32'(signal_o);
      AtWaitsForError:        chip_rdata = 32'(waits_for_error_o);
      AtGated:                chip_rdata = 32'(gated_o);
      AtErrorGate:            chip_rdata = error_gate_o;
      AtDeadZone:             chip_rdata = dead_zone_o;
      AtHot:                  chip_rdata = hot_o;
      AtErrorShift:           chip_rdata = 32'(error_shift_o);
      AtAccumulatorBits:      chip_rdata = 32'(accumulator_bits_o);
      AtAccumulatorOverflow:  chip_rdata = 32'(accumulator_overflow_o);
      AtUpdateRounding:       chip_rdata = 32'(update_rounding_o);
      AtWeightOverflow:       chip_rdata = 32'(weight_overflow_o);
      AtWordSource:           chip_rdata = 32'(word_source_o);
      AtLaneSeed:             chip_rdata = lane_seed_o;
      AtBatch:                chip_rdata = 32'(batch_o);
      default:                chip_rdata = 32'd0;
    endcase
  end
  always_comb begin
    case (offset)
      AtLayerInputs:             layer_rdata = 32'(inputs_read);
      AtLayerUnits:              layer_rdata = 32'(units_read);
      AtLayerInputBase:          layer_rdata = 32'(input_base_read);
      AtLayerOutputBase:         layer_rdata = 32'(output_base_read);
      AtLayerWeightBase:         layer_rdata = 32'(weight_base_read);
      AtLayerFeedbackBase:       layer_rdata = 32'(feedback_base_read);
      AtLayerBiasCode:           layer_rdata = bias_code_read;
      AtLayerPreactivationShift: layer_rdata = 32'(preactivation_shift_read);
      AtLayerActivation:         layer_rdata = 32'(activation_read);
      AtLayerTableFrac:          layer_rdata = 32'(table_frac_read);
      AtLayerOutputShift:        layer_rdata = 32'(output_shift_read);
      AtLayerOutputBits:         layer_rdata = 32'(output_bits_read);
      AtLayerOutputSigned:       layer_rdata = 32'(output_signed_read);
      AtLayerWeightBits:         layer_rdata = 32'(weight_bits_read);
      AtLayerDeltaBits:          layer_rdata = 32'(delta_bits_read);
      AtLayerProjectionBits:     layer_rdata = 32'(projection_bits_read);
      AtLayerProjectShift:       layer_rdata = 32'(project_shift_read);
      AtLayerGateShift:          layer_rdata = 32'(gate_shift_read);
      AtLayerUpdateShift:        layer_rdata = 32'(update_shift_read);
      AtLayerRowSeed:            layer_rdata = row_seed_read;
      default:                   layer_rdata = 32'd0;
    endcase
  end
  assign reg_rdata_o = in_layers ? layer_rdata : chip_rdata;
endmodule
`default_nettype wire
