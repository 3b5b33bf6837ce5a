// The trace port: one record at each checkpoint of a group, a field a lane. Nothing in the chip depends on it.
//
//   kind 0 z         accumulators of a group, before activation
//   kind 1 y         its output codes
//   kind 2 signal    feedback row of the label, or projected error
//   kind 3 delta     modulatory signal
//   kind 4 words     random-word registers after the group's update: the row register in lane 0, or the lanes' own
//   kind 5 writes    signature of the words written to the group's rows
//   kind 6 result    predicted class in lane 0
`default_nettype none
module nemu_trace #(
  parameter int Lanes   = 16,
  parameter int TraceW  = 32,  // of a field
  parameter int AccW    = 32,
  parameter int CodeW   = 9,
  parameter int SignalW = 9,
  parameter int DeltaW  = 9,
  parameter int WriteW  = 12,
  parameter int RowW    = 17
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,
  input  wire logic [Lanes-1:0]         valid_i,
  input  wire logic [3:0]               layer_i,
  input  wire logic [RowW-1:0]          group_i,

  input  wire logic                     activate_begin_i,
  input  wire logic [Lanes*AccW-1:0]    acc_i,
  input  wire logic [Lanes-1:0]         output_i,      // codes below leave the activation units
  input  wire logic [Lanes*CodeW-1:0]   codes_i,
  input  wire logic                     outputs_end_i,
  input  wire logic                     signal_i,
  input  wire logic [Lanes*SignalW-1:0] signals_i,
  input  wire logic                     update_begin_i,
  input  wire logic                     delta_shown_i, // an update that has a delta
  input  wire logic [Lanes*DeltaW-1:0]  deltas_i,
  input  wire logic                     update_finish_i,
  input  wire logic                     draws_i,
  input  wire logic                     per_lane_i,
  input  wire logic [31:0]              row_register_i,
  input  wire logic [Lanes*32-1:0]      lane_registers_i,
  input  wire logic                     write_i,
  input  wire logic [RowW-1:0]          row_i,
  input  wire logic [Lanes*WriteW-1:0]  words_i,
  input  wire logic                     result_i,
  input  wire logic [RowW-1:0]          class_i,

  output logic                    trace_valid_o,
  output logic [2:0]              trace_kind_o,
  output logic [3:0]              trace_layer_o,
  output logic [RowW-1:0]         trace_group_o,
  output logic [Lanes*TraceW-1:0] trace_data_o
);
  // Records of the cycle after: their group is the one before.
  logic            outputs_q, delta_q, writes_q;
  logic [3:0]      layer_q;
  logic [RowW-1:0] group_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      outputs_q <= 1'b0;
      delta_q   <= 1'b0;
      writes_q  <= 1'b0;
    end else begin
      outputs_q <= outputs_end_i;
      delta_q   <= update_begin_i && delta_shown_i;
      writes_q  <= update_finish_i;
    end
    layer_q <= layer_i;
    group_q <= group_i;
  end

  logic late;
  assign late          = outputs_q || delta_q || writes_q;
  assign trace_valid_o = late || activate_begin_i || signal_i || result_i || (update_finish_i && draws_i);
  assign trace_layer_o = late ? layer_q : layer_i;
  assign trace_group_o = late ? group_q : group_i;
  assign trace_kind_o  = outputs_q ? 3'd1 : delta_q ? 3'd3 : writes_q ? 3'd5 : activate_begin_i ? 3'd0
                       : signal_i ? 3'd2 : result_i ? 3'd6 : 3'd4;

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    logic signed [CodeW-1:0]  code_q;
    logic signed [WriteW-1:0] word;
    logic [31:0]              signature_q;
    assign word = words_i[l*WriteW +: WriteW];

    always_ff @(posedge clk_i) begin
      if (output_i[l]) code_q <= codes_i[l*CodeW +: CodeW];
      else if (activate_begin_i) code_q <= '0;

      if (update_begin_i) signature_q <= 32'd0;
      else if (write_i) signature_q <= {signature_q[30:0], signature_q[31]} ^ 32'(word) ^ {15'd0, row_i};
    end

    logic signed [AccW-1:0]    acc;
    logic signed [SignalW-1:0] signal;
    logic signed [DeltaW-1:0]  delta;
    logic signed [TraceW-1:0]  field;
    assign acc    = acc_i[l*AccW +: AccW];
    assign signal = signals_i[l*SignalW +: SignalW];
    assign delta  = deltas_i[l*DeltaW +: DeltaW];
    logic [31:0] registers;  // random words
    assign registers = per_lane_i ? lane_registers_i[l*32 +: 32] : (l == 0) ? row_register_i : 32'd0;
    always_comb begin
      case (trace_kind_o)
        3'd0:    field = TraceW'(acc);
        3'd1:    field = TraceW'(code_q);
        3'd2:    field = TraceW'(signal);
        3'd3:    field = TraceW'(delta);
        3'd4:    field = TraceW'(registers);
        3'd5:    field = TraceW'(signature_q);
        default: field = (l == 0) ? TraceW'(class_i) : '0;
      endcase
    end
    // Padding lanes hold whatever their memories do; they are shown as 0, their registers as they are.
    logic shown, valid_q;
    always_ff @(posedge clk_i) valid_q <= valid_i[l];
    assign shown = valid_i[l] || (trace_kind_o == 3'd4) || (trace_kind_o == 3'd6 && l == 0);
    assign trace_data_o[l*TraceW +: TraceW] = (late ? valid_q : shown) ? field : '0;

  end
endmodule
`default_nettype wire
