// Keep the low bits of a code: modulo the span of [low_i, high_i], a power of two: ops.wrap.
`default_nettype none
module nemu_wrap #(
  parameter int InW  = 32,
  parameter int OutW = 16
) (
  // verilator lint_off UNUSEDSIGNAL
  input  wire logic signed [InW-1:0]  code_i,  // bits above OutW drop out
  // verilator lint_on UNUSEDSIGNAL
  input  wire logic signed [OutW-1:0] low_i,
  input  wire logic signed [OutW-1:0] high_i,
  output logic signed [OutW-1:0]      code_o
);
  // Everything modulo 2^OutW: the span fits, so the bits above cannot matter.
  logic [OutW-1:0] low, span, offset;
  assign low    = $unsigned(low_i);
  assign span   = $unsigned(high_i) - low;
  assign offset = ($unsigned(OutW'(code_i)) - low) & span;  // the sign is extended if the code is the narrower
  assign code_o = $signed(offset + low);
endmodule
`default_nettype wire
