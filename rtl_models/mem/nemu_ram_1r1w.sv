// Synchronous RAM with a read and a write port. The chip never reads and writes one address in one cycle.
`default_nettype none
module nemu_ram_1r1w #(
  parameter int Width = 8,
  parameter int Depth = 16,
  parameter int AddressW = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  wire logic                clk_i,
  input  wire logic                write_i,
  input  wire logic [AddressW-1:0] waddress_i,
  input  wire logic [Width-1:0]    wdata_i,
  input  wire logic                read_i,
  input  wire logic [AddressW-1:0] raddress_i,
  output logic [Width-1:0]         rdata_o
);
  logic [Width-1:0] mem [0:Depth-1];

  always_ff @(posedge clk_i) begin
    if (write_i) mem[waddress_i] <= wdata_i;
    if (read_i)  rdata_o <= mem[raddress_i];
  end
endmodule
`default_nettype wire
