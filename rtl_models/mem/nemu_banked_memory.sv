// Rows interleaved over single-port banks: one read and one write a cycle as long as they meet different banks.
// The sequencer stalls a read whose bank is being written; this memory gives the write the port.
`default_nettype none
module nemu_banked_memory #(
  parameter int Banks = 2,
  parameter int Width = 128,
  parameter int Depth = 1024,  // rows in each bank
  parameter int AddressW = (Depth > 1) ? $clog2(Depth) : 1,
  parameter int BankW = (Banks > 1) ? $clog2(Banks) : 1
) (
  input  wire logic                clk_i,
  input  wire logic                read_i,
  input  wire logic [BankW-1:0]    rbank_i,
  input  wire logic [AddressW-1:0] raddress_i,
  output logic [Width-1:0]         rdata_o,     // of the read one cycle before
  input  wire logic                write_i,
  input  wire logic [BankW-1:0]    wbank_i,
  input  wire logic [AddressW-1:0] waddress_i,
  input  wire logic [Width-1:0]    wdata_i
);
  logic [Banks*Width-1:0] rdata;
  logic [BankW-1:0]       rbank_q;

  always_ff @(posedge clk_i) if (read_i) rbank_q <= rbank_i;
  assign rdata_o = rdata[rbank_q*Width +: Width];

  for (genvar b = 0; b < Banks; b++) begin : g_bank
    logic read, write;
    assign read  = read_i && (rbank_i == BankW'(b));
    assign write = write_i && (wbank_i == BankW'(b));
    nemu_sram_1rw #(.Width(Width), .Depth(Depth), .AddressW(AddressW)) u_sram (
      .clk_i(clk_i), .enable_i(read || write), .write_i(write),
      .address_i(write ? waddress_i : raddress_i), .wdata_i(wdata_i), .rdata_o(rdata[b*Width +: Width])
    );
  end

`ifndef SYNTHESIS
  always @(posedge clk_i) begin
    if (read_i && write_i && rbank_i == wbank_i) begin
      $display("MISMATCH port bank=%0d is read and written in one cycle", rbank_i);
      $finish;
    end
  end
`endif
endmodule
`default_nettype wire
