// The random words of stochastic rounding: one register a weight matrix, or one a lane (docs/numerics.md, section 7).
// A register advances first and is then used. Groups after the first replay the words of their row.
`default_nettype none
module nemu_random #(
  parameter int Lanes = 16,
  parameter int Layers = 2
) (
  input  wire logic                clk_i,
  input  wire logic [2:0]          source_i,
  input  wire logic [3:0]          layer_i,
  input  wire logic                seed_i,       // load the register of layer_i, and the lane registers
  input  wire logic [31:0]         row_seed_i,
  input  wire logic [31:0]         lane_seed_i,
  input  wire logic                begin_i,      // a group starts to update
  input  wire logic                first_group_i,
  input  wire logic                finish_i,     // it has drawn its last word
  input  wire logic                draw_i,       // the words below are those of the next row from the next cycle on
  input  wire logic [31:0]         neuron_i,     // that sits in lane 0
  output logic [Lanes*32-1:0]      words_o,
  output logic [31:0]              row_register_o,
  output logic [Lanes*32-1:0]      lane_registers_o
);
  localparam logic [2:0] RowWord = 3'd0;
  localparam logic [2:0] RowLfsr = 3'd1;
  localparam logic [2:0] LaneXorshift = 3'd3;
  localparam logic [2:0] LaneLfsr = 3'd4;
  localparam int LayerW = (Layers > 1) ? $clog2(Layers) : 1;

  logic [31:0] row_q [0:Layers-1];
  logic [31:0] start_q, work_q, work_xorshift, work_lfsr;
  logic        per_lane, is_lfsr, mixes;
  assign per_lane = (source_i == LaneXorshift) || (source_i == LaneLfsr);
  assign is_lfsr  = (source_i == RowLfsr) || (source_i == LaneLfsr);
  assign mixes    = (source_i == RowWord) || (source_i == RowLfsr);
  assign row_register_o = work_q;

  logic [LayerW-1:0] layer;
  assign layer = LayerW'(layer_i);

  nemu_xorshift u_xorshift (.word_i(work_q), .word_o(work_xorshift));
  nemu_lfsr     u_lfsr     (.word_i(work_q), .word_o(work_lfsr));

  always_ff @(posedge clk_i) begin
    if (seed_i) row_q[layer] <= row_seed_i;
    else if (finish_i) row_q[layer] <= work_q;

    if (begin_i) begin
      work_q <= first_group_i ? row_q[layer] : start_q;
      if (first_group_i) start_q <= row_q[layer];
    end else if (draw_i && !per_lane) begin
      work_q <= is_lfsr ? work_lfsr : work_xorshift;
    end
  end

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    localparam logic [31:0] Golden = 32'((l + 1) * 64'h9E37_79B9);
    logic [31:0] lane_q, lane_xorshift, lane_lfsr, mixed, seed;
    assign seed = Golden ^ lane_seed_i;

    nemu_xorshift u_xorshift (.word_i(lane_q), .word_o(lane_xorshift));
    nemu_lfsr     u_lfsr     (.word_i(lane_q), .word_o(lane_lfsr));
    nemu_bit_reverse u_mirror (.word_i(neuron_i + 32'(l)), .word_o(mixed));

    always_ff @(posedge clk_i) begin
      if (seed_i) lane_q <= (seed == 32'd0) ? 32'd1 : seed;
      else if (draw_i && per_lane) lane_q <= is_lfsr ? lane_lfsr : lane_xorshift;
    end
    assign lane_registers_o[l*32 +: 32] = lane_q;
    assign words_o[l*32 +: 32] = per_lane ? lane_q : mixes ? work_q ^ mixed : work_q;
  end
endmodule
`default_nettype wire
