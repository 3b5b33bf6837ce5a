// Drop shift_i fractional bits, to nearest, ties up; a negative shift is exact to the left: ops.align.
`default_nettype none
module nemu_align #(
  parameter int InW  = 32,
  parameter int OutW = 40  // at least InW; the caller makes sure that left shifts fit
) (
  input  wire logic signed [InW-1:0] code_i,
  input  wire logic signed [6:0]     shift_i,
  output logic signed [OutW-1:0]     code_o
);
  // floor((c + 2^(s-1)) / 2^s) = (floor(c / 2^(s-1)) + 1) / 2: no wide addend, and right for any s.
  logic signed [OutW-1:0] code, shifted;
  logic signed [OutW:0]   one_bit_left;
  logic                   left;
  assign left         = shift_i[6];
  assign code         = OutW'(code_i);
  assign shifted      = code >>> 7'(shift_i - 7'sd1);
  assign one_bit_left = (OutW + 1)'(shifted);

  always_comb begin
    if (left)                  code_o = code <<< 7'(-shift_i);
    else if (shift_i == 7'sd0) code_o = code;
    else                       code_o = OutW'((one_bit_left + (OutW + 1)'(1)) >>> 1);
  end
endmodule
`default_nettype wire
