// Behind the accumulators: activation units, kept pre-activations, output error, error gate and prediction.
`default_nettype none
module nemu_output_stage #(
  parameter int Lanes       = 16,
  parameter int Units       = 1,
  parameter int Layers      = 2,
  parameter int AccW        = 32,
  parameter int MidW        = 40,
  parameter int CodeW       = 9,
  parameter int DeltaW      = 9,
  parameter int SignalW     = 9,
  parameter int KeptGroups  = 64,
  parameter int ErrorGroups = 4,
  parameter int RowW        = 17,
  parameter int WideW       = 24,
  parameter int EntryW      = (CodeW > 8) ? CodeW : 8
) (
  input  wire logic clk_i,

  // configuration of the chip and of the layer
  input  wire logic [RowW-1:0]         units_in_use_i,
  input  wire logic                    waits_i,
  input  wire logic                    gated_i,
  input  wire logic signed [CodeW:0]   error_gate_i,
  input  wire logic signed [CodeW:0]   dead_zone_i,
  input  wire logic signed [CodeW-1:0] hot_i,
  input  wire logic signed [6:0]       error_shift_i,
  input  wire logic signed [6:0]       preactivation_shift_i,
  input  wire logic [1:0]              activation_i,
  input  wire logic [2:0]              table_frac_i,
  input  wire logic signed [6:0]       output_shift_i,
  input  wire logic [5:0]              output_bits_i,
  input  wire logic                    output_signed_i,
  input  wire logic signed [6:0]       gate_shift_i,
  input  wire logic signed [DeltaW-1:0] delta_low_i,
  input  wire logic signed [DeltaW-1:0] delta_high_i,

  // where and what
  input  wire logic             start_i,        // a sample begins
  input  wire logic [RowW-1:0]  label_i,
  input  wire logic             learn_i,
  input  wire logic [3:0]       layer_i,
  input  wire logic             output_layer_i,
  input  wire logic [RowW-1:0]  group_i,
  input  wire logic [RowW-1:0]  first_i,
  input  wire logic [RowW-1:0]  valid_i,
  input  wire logic [WideW-1:0] kept_i,
  input  wire logic [WideW-1:0] kept_next_i,
  input  wire logic             keeps_read_i,   // the next group may need its pre-activations
  input  wire logic             activate_i,
  input  wire logic [RowW-1:0]  beat_i,
  input  wire logic             derive_i,       // derivatives of the next cycle are read
  input  wire logic [RowW-1:0]  gate_next_i,

  // accumulators in; codes, signals and errors out
  input  wire logic [Lanes*AccW-1:0]    acc_i,
  output logic [Units-1:0]              code_write_o,
  output logic [RowW-1:0]               code_first_o,
  output logic [Units*CodeW-1:0]        codes_o,
  output logic [Lanes-1:0]              slope_o,         // one-bit derivatives
  input  wire logic [Lanes*SignalW-1:0] signals_i,
  output logic [Units*DeltaW-1:0]       unit_deltas_o,   // of lanes beat_i ...
  input  wire logic                     error_read_i,
  input  wire logic [RowW-1:0]          error_group_i,
  output logic [Lanes*DeltaW-1:0]       errors_o,
  output logic [Lanes*2-1:0]            signs_o,
  output logic                          gate_open_o,
  output logic [RowW-1:0]               class_o,

  // tables
  input  wire logic                            table_write_i,
  input  wire logic                            derivative_write_i,
  input  wire logic [$clog2(Layers * 256)-1:0] table_address_i,
  input  wire logic [EntryW-1:0]               table_wdata_i
);
  localparam int LaneW   = (Lanes > 1) ? $clog2(Lanes) : 1;
  localparam int KeptAW  = (KeptGroups > 1) ? $clog2(KeptGroups) : 1;
  localparam int ErrorAW = (ErrorGroups > 1) ? $clog2(ErrorGroups) : 1;
  localparam int FieldW  = DeltaW + 2;

  logic signed [CodeW-1:0] output_low, output_high;
  nemu_limits #(.W(CodeW)) u_limits (
    .bits_i(output_bits_i), .signed_i(output_signed_i), .low_o(output_low), .high_o(output_high)
  );

  // --- units --------------------------------------------------------------------------------------------------------
  logic [Units-1:0]        unit_valid, unit_valid_q;
  logic [RowW-1:0]         beat_q;
  logic [Units*8-1:0]      unit_q;
  logic [Units*FieldW-1:0] unit_fields;
  logic [Units-1:0]        unit_opens, unit_hits;
  logic [Lanes*8-1:0]      q_source;

  always_ff @(posedge clk_i) begin
    unit_valid_q <= unit_valid;
    beat_q       <= beat_i;
  end
  assign code_write_o = unit_valid_q;
  assign code_first_o = first_i + beat_q;

  for (genvar u = 0; u < Units; u++) begin : g_unit
    logic [RowW-1:0]           lane, next_lane;
    logic signed [AccW-1:0]    z;
    logic signed [7:0]         q, derive_q;
    logic signed [SignalW-1:0] signal;
    logic signed [CodeW-1:0]   y;
    logic signed [DeltaW-1:0]  delta, error_delta;
    assign lane          = beat_i + RowW'(u);
    assign next_lane     = gate_next_i + RowW'(u);
    assign unit_valid[u] = activate_i && (lane < valid_i) && (RowW'(u) < units_in_use_i);
    assign z             = acc_i[LaneW'(lane)*AccW +: AccW];
    assign derive_q      = q_source[LaneW'(next_lane)*8 +: 8];
    assign signal        = signals_i[LaneW'(lane)*SignalW +: SignalW];

    nemu_activation_unit #(
      .AccW(AccW), .MidW(MidW), .CodeW(CodeW), .DeltaW(DeltaW), .SignalW(SignalW), .Layers(Layers)
    ) u_unit (
      .clk_i(clk_i), .layer_i(layer_i),
      .activate_i(unit_valid[u]), .z_i(z), .preactivation_shift_i(preactivation_shift_i), .q_o(q),
      .activation_i(activation_i), .table_frac_i(table_frac_i), .output_shift_i(output_shift_i),
      .output_low_i(output_low), .output_high_i(output_high), .y_o(y),
      .derive_i(derive_i), .derive_q_i(derive_q), .signal_i(signal), .gate_shift_i(gate_shift_i),
      .delta_low_i(delta_low_i), .delta_high_i(delta_high_i), .delta_o(delta),
      .table_write_i(table_write_i), .derivative_write_i(derivative_write_i),
      .table_address_i(table_address_i), .table_wdata_i(table_wdata_i)
    );
    assign unit_q[u*8 +: 8]                 = q;
    assign codes_o[u*CodeW +: CodeW]        = y;
    assign unit_deltas_o[u*DeltaW +: DeltaW] = delta;

    // The output error, as its code appears: e = y* - y in all its bits, delta and sign made from it.
    logic signed [CodeW:0]   error;
    logic signed [CodeW-1:0] target;
    logic signed [1:0]       sign;
    logic                    hit;
    assign hit    = (code_first_o + RowW'(u)) == label_i;
    assign target = hit ? hot_i : '0;
    assign error  = (CodeW + 1)'(target) - (CodeW + 1)'(y);
    nemu_requantise #(.InW(CodeW + 1), .MidW(MidW), .OutW(DeltaW)) u_error (
      .code_i(error), .shift_i(error_shift_i), .low_i(delta_low_i), .high_i(delta_high_i), .code_o(error_delta)
    );
    nemu_ternary_sign #(.W(CodeW + 1)) u_sign (.error_i(error), .dead_zone_i(dead_zone_i), .sign_o(sign));
    assign unit_fields[u*FieldW +: FieldW] = {sign, error_delta};
    assign unit_hits[u]  = unit_valid_q[u] && hit;
    assign unit_opens[u] = !gated_i || (error > error_gate_i);
  end

  // --- from units to lanes ------------------------------------------------------------------------------------------
  logic [Lanes-1:0]        q_write, field_write;
  logic [Lanes*8-1:0]      q_wdata, q_lane_q, kept_rdata;
  logic [Lanes*FieldW-1:0] field_wdata, field_rdata;

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    always_comb begin
      q_write[l]                       = 1'b0;
      field_write[l]                   = 1'b0;
      q_wdata[l*8 +: 8]                = unit_q[7:0];
      field_wdata[l*FieldW +: FieldW]  = unit_fields[FieldW-1:0];
      for (int u = 0; u < Units; u++) begin
        if (beat_i + RowW'(u) == RowW'(l)) begin
          q_write[l]        = unit_valid[u];
          q_wdata[l*8 +: 8] = unit_q[u*8 +: 8];
        end
        if (beat_q + RowW'(u) == RowW'(l)) begin
          field_write[l]                  = unit_valid_q[u];
          field_wdata[l*FieldW +: FieldW] = unit_fields[u*FieldW +: FieldW];
        end
      end
    end

    always_ff @(posedge clk_i) if (q_write[l]) q_lane_q[l*8 +: 8] <= q_wdata[l*8 +: 8];

    logic signed [7:0] q;
    assign q_source[l*8 +: 8] = waits_i ? kept_rdata[l*8 +: 8] : q_lane_q[l*8 +: 8];
    assign q                  = q_source[l*8 +: 8];
    nemu_linear_slope u_slope (
      .q_i(q), .activation_i(activation_i), .table_frac_i(table_frac_i), .slope_o(slope_o[l])
    );

    assign errors_o[l*DeltaW +: DeltaW] = field_rdata[l*FieldW +: DeltaW];
    assign signs_o[l*2 +: 2]            = field_rdata[l*FieldW+DeltaW +: 2];
  end

  // Label-only rules keep the pre-activations of the present group alone; the others keep those of every hidden group.
  logic keeps;
  assign keeps = waits_i && learn_i && !output_layer_i;
  nemu_lane_memory #(.Lanes(Lanes), .Width(8), .Depth(KeptGroups)) u_kept (
    .clk_i(clk_i),
    .write_i(keeps ? q_write : '0), .waddress_i(KeptAW'(kept_i)), .wdata_i(q_wdata),
    .read_i(keeps_read_i), .raddress_i(KeptAW'(kept_next_i)), .rdata_o(kept_rdata)
  );
  nemu_lane_memory #(.Lanes(Lanes), .Width(FieldW), .Depth(ErrorGroups)) u_errors (
    .clk_i(clk_i),
    .write_i((learn_i && output_layer_i) ? field_write : '0), .waddress_i(ErrorAW'(group_i)), .wdata_i(field_wdata),
    .read_i(error_read_i), .raddress_i(ErrorAW'(error_group_i)), .rdata_o(field_rdata)
  );

  // --- gate and prediction -------------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    for (int u = 0; u < Units; u++) begin
      if (output_layer_i && unit_hits[u]) gate_open_o <= unit_opens[u];
    end
  end

  // The largest accumulator wins, the first of equals.
  logic                   found_q, found_d;
  logic signed [AccW-1:0] best_q, best_d, candidate;
  logic [RowW-1:0]        class_d;
  always_comb begin
    found_d   = found_q;
    best_d    = best_q;
    class_d   = class_o;
    candidate = best_q;
    for (int u = 0; u < Units; u++) begin
      candidate = acc_i[LaneW'(beat_i + RowW'(u))*AccW +: AccW];
      if (unit_valid[u] && output_layer_i && (!found_d || candidate > best_d)) begin
        found_d = 1'b1;
        best_d  = candidate;
        class_d = first_i + beat_i + RowW'(u);
      end
    end
  end
  always_ff @(posedge clk_i) begin
    found_q <= found_d && !start_i;
    best_q  <= best_d;
    class_o <= class_d;
  end
endmodule
`default_nettype wire
