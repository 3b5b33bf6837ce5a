// Narrow a code: align by shift_i, then saturate: ops.requantise.
`default_nettype none
module nemu_requantise #(
  parameter int InW  = 32,
  parameter int MidW = 40,  // holds the aligned code
  parameter int OutW = 9
) (
  input  wire logic signed [InW-1:0]  code_i,
  input  wire logic signed [6:0]      shift_i,
  input  wire logic signed [OutW-1:0] low_i,
  input  wire logic signed [OutW-1:0] high_i,
  output logic signed [OutW-1:0]      code_o
);
  logic signed [MidW-1:0] aligned;

  nemu_align #(.InW(InW), .OutW(MidW)) u_align (.code_i(code_i), .shift_i(shift_i), .code_o(aligned));
  nemu_saturate #(.InW(MidW), .OutW(OutW)) u_saturate (
    .code_i(aligned), .low_i(low_i), .high_i(high_i), .code_o(code_o)
  );
endmodule
`default_nettype wire
