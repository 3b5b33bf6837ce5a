// The one-bit derivative of the activations that need no table (docs/numerics.md, section 4).
`default_nettype none
module nemu_linear_slope (
  input  wire logic signed [7:0] q_i,
  input  wire logic [1:0]        activation_i,
  input  wire logic [2:0]        table_frac_i,
  output logic                   slope_o
);
  localparam logic [1:0] HardTanh = 2'd1;
  localparam logic [1:0] Relu     = 2'd2;

  logic signed [7:0] one;
  assign one = 8'sd1 <<< table_frac_i;

  always_comb begin
    case (activation_i)
      HardTanh: slope_o = (q_i < one) && (q_i > -one);
      Relu:     slope_o = q_i > 8'sd0;
      default:  slope_o = 1'b1;
    endcase
  end
endmodule
`default_nettype wire
