// A scaled weight, rounded, or its other neighbour where squares would stray by more than half a code of norm:
// ops.hold_norm. code is a neighbour of exact (16 fractional bits); short has 20 fractional bits.
`default_nettype none
module nemu_hold_norm #(
  parameter int ExactW = 38,
  parameter int CodeW  = 22,  // holds both neighbours
  parameter int ShortW = 42,
  parameter int GammaW = 20
) (
  input  wire logic signed [ExactW-1:0] exact_i,
  input  wire logic signed [CodeW-1:0]  code_i,
  input  wire logic signed [ShortW-1:0] short_i,
  input  wire logic        [GammaW-1:0] gamma_i,
  output logic signed [CodeW-1:0]       code_o
);
  localparam int GapW  = 2 * ((ExactW - 6 > CodeW + 10) ? ExactW - 6 : CodeW + 10);
  localparam int BandW = GammaW + 20;
  localparam int Wider = (ShortW > GapW) ? ShortW : GapW;
  localparam int W     = ((Wider > BandW) ? Wider : BandW) + 1;

  logic signed [CodeW-1:0] below, other;
  logic signed [GapW-1:0]  gap, other_gap;
  logic signed [W-1:0]     total, other_total;
  logic        [W-1:0]     stray, other_stray, band;
  logic                    held;

  assign below = CodeW'(exact_i >>> 16);
  assign other = (below <<< 1) + $signed(CodeW'(1)) - code_i;  // may wrap on the way

  nemu_square_gap #(.ExactW(ExactW), .CodeW(CodeW), .GapW(GapW)) u_gap (
    .exact_i(exact_i), .code_i(code_i), .gap_o(gap)
  );
  nemu_square_gap #(.ExactW(ExactW), .CodeW(CodeW), .GapW(GapW)) u_other_gap (
    .exact_i(exact_i), .code_i(other), .gap_o(other_gap)
  );

  assign total       = W'(short_i) + W'(gap);
  assign other_total = W'(short_i) + W'(other_gap);
  assign stray       = total[W-1] ? -total : total;
  assign other_stray = other_total[W-1] ? -other_total : other_total;
  assign band        = W'(gamma_i) << 20;

  assign held   = stray <= band || exact_i[15:0] == 16'd0 || other_stray >= stray;
  assign code_o = held ? code_i : other;
endmodule
`default_nettype wire
