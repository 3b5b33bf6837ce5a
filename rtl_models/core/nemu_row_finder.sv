// The next row that takes a cycle: the first input code other than 0 at or after a position, else the bias row.
`default_nettype none
module nemu_row_finder #(
  parameter int Codes = 2048,
  parameter int IndexW = $clog2(Codes)
) (
  input  wire logic [Codes-1:0]  nonzero_i,
  input  wire logic [IndexW-1:0] base_i,      // of the layer's input codes, a multiple of 32
  input  wire logic [16:0]       position_i,  // first row to look at
  input  wire logic [16:0]       inputs_i,    // also the bias row
  input  wire logic              skip_i,      // 0: every row takes a cycle
  output logic [16:0]            row_o,
  output logic                   nonzero_o    // the row's code is other than 0; meaningless for the bias row
);
  localparam int Words = Codes / 32;
  localparam int WordW = (Words > 1) ? $clog2(Words) : 1;

  logic [IndexW-1:0] index;
  logic [WordW-1:0]  word;
  assign index = base_i + IndexW'(position_i);
  assign word  = WordW'(index >> 5);

  logic [31:0] here, ahead_word;
  logic [Words-1:0] any, ahead;
  for (genvar w = 0; w < Words; w++) begin : g_any
    assign any[w] = |nonzero_i[w*32 +: 32];
  end
  assign here  = nonzero_i[IndexW'({word, 5'd0}) +: 32] & (32'hFFFF_FFFF << index[4:0]);
  assign ahead = any & ~(((Words)'(2) << word) - (Words)'(1));

  logic [4:0]       first_here, first_ahead;
  logic [WordW-1:0] word_ahead;
  logic             any_ahead;
  nemu_find_first #(.W(32)) u_here (.bits_i(here), .index_o(first_here));
  nemu_find_first #(.W(Words)) u_word (.bits_i(ahead), .index_o(word_ahead));
  nemu_find_first #(.W(32)) u_ahead (.bits_i(ahead_word), .index_o(first_ahead));
  assign ahead_word = nonzero_i[IndexW'({word_ahead, 5'd0}) +: 32];
  assign any_ahead  = |ahead;

  logic [IndexW:0] found, distance;
  logic [16:0]     row;
  assign found = (here != '0) ? (IndexW + 1)'({word, first_here}) : (IndexW + 1)'({word_ahead, first_ahead});
  assign distance = found - (IndexW + 1)'(base_i);
  assign row      = 17'(distance);

  // Flags behind the layer's inputs may belong to others: whatever lies there means the bias row.
  always_comb begin
    row_o     = position_i;
    nonzero_o = nonzero_i[index];
    if (skip_i) begin
      nonzero_o = 1'b1;
      row_o     = (here != '0 || any_ahead) && row < inputs_i ? row : inputs_i;
    end
  end
endmodule
`default_nettype wire
