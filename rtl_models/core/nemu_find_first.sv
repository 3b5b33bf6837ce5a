// Index of the lowest bit that is set; 0 if none is.
`default_nettype none
module nemu_find_first #(
  parameter int W = 32,
  parameter int IndexW = (W > 1) ? $clog2(W) : 1
) (
  input  wire logic [W-1:0] bits_i,
  output logic [IndexW-1:0] index_o
);
  logic [W-1:0] lowest;
  assign lowest = bits_i & (~bits_i + W'(1));

  // Bit b of the index is 1 for every second block of 2^b positions.
  for (genvar b = 0; b < IndexW; b++) begin : g_bit
    logic [W-1:0] mask;
    for (genvar i = 0; i < W; i++) begin : g_mask
      assign mask[i] = 1'((i >> b) & 1);
    end
    assign index_o[b] = |(lowest & mask);
  end
endmodule
`default_nettype wire
