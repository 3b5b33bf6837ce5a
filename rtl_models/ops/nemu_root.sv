// Integer square root, rounded down, two bits of the code for a bit of the root: ops.root.
// No multiplier: the rest is what the code's bits so far exceed the square of the root so far by.
`default_nettype none
module nemu_root #(
  parameter int CodeW = 62,
  parameter int RootW = (CodeW + 1) / 2  // derived
) (
  input  wire logic [CodeW-1:0] code_i,
  output logic [RootW-1:0]      root_o
);
  localparam int W = RootW + 2;

  logic [W-1:0]       root, rest, trial;
  logic [2*RootW-1:0] code;

  always_comb begin
    root  = '0;
    rest  = '0;
    trial = '0;
    code  = (2 * RootW)'(code_i);
    for (int step = 0; step < RootW; step++) begin
      rest  = (rest << 2) | W'(code >> (2 * RootW - 2));
      code  = code << 2;
      trial = (root << 2) | W'(1);
      root  = root << 1;
      if (rest >= trial) begin
        rest = rest - trial;
        root = root | W'(1);
      end
    end
  end

  assign root_o = RootW'(root);
endmodule
`default_nettype wire
