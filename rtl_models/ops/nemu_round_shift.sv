// Divide by 2^shift_i in a rounding mode, 0 TRN, 1 TRN_ZERO, 2 RND, 3 RND_CONV, 4 STOCH: ops.round_shift.
`default_nettype none
module nemu_round_shift #(
  parameter int W = 18  // width of the code, 2 or more
) (
  input  wire logic signed [W-1:0] code_i,
  input  wire logic [4:0]          shift_i,
  input  wire logic [2:0]          rounding_i,
  input  wire logic [31:0]         word_i,
  output logic signed [W-1:0]      code_o
);
  localparam logic [2:0] TrnZero = 3'd1;
  localparam logic [2:0] Rnd     = 3'd2;
  localparam logic [2:0] RndConv = 3'd3;
  localparam logic [2:0] Stoch   = 3'd4;

  // The addend has up to 31 bits; one more for its sum with the code.
  localparam int SumW = ((W > 32) ? W : 32) + 1;

  logic [30:0] below, half, addend, drawn;
  logic        odd, negative;

  nemu_draw u_draw (.word_i(word_i), .shift_i(shift_i), .draw_o(drawn));

  assign below = 31'((32'd1 << shift_i) - 32'd1);  // all dropped bits set
  assign half  = below - (below >> 1);             // the highest dropped bit; 0 for shift 0
  assign negative = code_i[W-1];
  assign odd   = 1'(code_i >>> shift_i);

  always_comb begin
    case (rounding_i)
      TrnZero: addend = negative ? below : 31'd0;
      Rnd:     addend = half;
      RndConv: addend = (shift_i == 5'd0) ? 31'd0 : half - 31'd1 + 31'(odd);
      Stoch:   addend = drawn;
      default: addend = 31'd0;
    endcase
  end

  logic signed [SumW-1:0] sum;
  assign sum    = SumW'(code_i) + $signed({{(SumW - 31) {1'b0}}, addend});
  assign code_o = W'(sum >>> shift_i);
endmodule
`default_nettype wire
