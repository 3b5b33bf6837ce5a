// A word of Lanes fields a row, written field by field, read whole: pre-activations and output errors by group.
`default_nettype none
module nemu_lane_memory #(
  parameter int Lanes = 16,
  parameter int Width = 8,   // of a field
  parameter int Depth = 16,
  parameter int AddressW = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  wire logic                   clk_i,
  input  wire logic [Lanes-1:0]       write_i,  // by lane
  input  wire logic [AddressW-1:0]    waddress_i,
  input  wire logic [Lanes*Width-1:0] wdata_i,
  input  wire logic                   read_i,
  input  wire logic [AddressW-1:0]    raddress_i,
  output logic [Lanes*Width-1:0]      rdata_o
);
  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    nemu_ram_1r1w #(.Width(Width), .Depth(Depth), .AddressW(AddressW)) u_ram (
      .clk_i(clk_i),
      .write_i(write_i[l]), .waddress_i(waddress_i), .wdata_i(wdata_i[l*Width +: Width]),
      .read_i(read_i), .raddress_i(raddress_i), .rdata_o(rdata_o[l*Width +: Width])
    );
  end
endmodule
`default_nettype wire
