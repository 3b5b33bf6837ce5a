// Single-port synchronous SRAM; a write leaves the read data as it was. Contents are undefined until written.
`default_nettype none
module nemu_sram_1rw #(
  parameter int Width = 8,
  parameter int Depth = 16,
  parameter int AddressW = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  wire logic                clk_i,
  input  wire logic                enable_i,
  input  wire logic                write_i,
  input  wire logic [AddressW-1:0] address_i,
  input  wire logic [Width-1:0]    wdata_i,
  output logic [Width-1:0]         rdata_o
);
  logic [Width-1:0] mem [0:Depth-1];

  always_ff @(posedge clk_i) begin
    if (enable_i) begin
      if (write_i) mem[address_i] <= wdata_i;
      else         rdata_o <= mem[address_i];
    end
  end
endmodule
`default_nettype wire
