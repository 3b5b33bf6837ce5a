// Input codes and layer outputs of the current sample, with one flag a code: is it other than 0?
// Units consecutive codes are written a cycle, one is read: low-order interleaving keeps every bank at 1R1W.
`default_nettype none
module nemu_code_memory #(
  parameter int Units = 1,
  parameter int CodeW = 9,
  parameter int Codes = 2048,  // a multiple of 32 and of the banks
  parameter int IndexW = $clog2(Codes)
) (
  input  wire logic                   clk_i,
  input  wire logic                   rst_ni,    // the flags, not the codes
  input  wire logic [Units-1:0]       write_i,
  input  wire logic [IndexW-1:0]      windex_i,  // of the first code; the others follow
  input  wire logic [Units*CodeW-1:0] wdata_i,
  input  wire logic                   read_i,
  input  wire logic [IndexW-1:0]      rindex_i,
  output logic [CodeW-1:0]            rdata_o,
  output logic [Codes-1:0]            nonzero_o
);
  localparam int BankBits = $clog2(Units);
  localparam int Banks    = 1 << BankBits;
  localparam int BankW    = (BankBits > 0) ? BankBits : 1;
  localparam int Depth    = Codes / Banks;
  localparam int AddressW = (Depth > 1) ? $clog2(Depth) : 1;

  logic [Codes-1:0] nonzero_q;
  assign nonzero_o = nonzero_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      nonzero_q <= '0;
    end else begin
      for (int u = 0; u < Units; u++) begin
        if (write_i[u]) nonzero_q[windex_i + IndexW'(u)] <= (wdata_i[u*CodeW +: CodeW] != '0);
      end
    end
  end

  logic [Banks*CodeW-1:0] rdata;
  logic [BankW-1:0]       rbank_q;
  always_ff @(posedge clk_i) if (read_i) rbank_q <= (BankBits > 0) ? BankW'(rindex_i) : '0;
  assign rdata_o = rdata[rbank_q*CodeW +: CodeW];

  for (genvar b = 0; b < Banks; b++) begin : g_bank
    // The unit whose code belongs to this bank.
    logic [BankW-1:0]  unit;
    logic [IndexW-1:0] windex;
    logic              write;
    logic [CodeW-1:0]  wdata;
    assign unit   = (BankBits > 0) ? BankW'(b) - BankW'(windex_i) : '0;
    assign windex = windex_i + IndexW'(unit);

    always_comb begin
      write = 1'b0;
      wdata = '0;
      for (int u = 0; u < Units; u++) begin
        if (unit == BankW'(u)) begin
          write = write_i[u];
          wdata = wdata_i[u*CodeW +: CodeW];
        end
      end
    end

    nemu_ram_1r1w #(.Width(CodeW), .Depth(Depth), .AddressW(AddressW)) u_ram (
      .clk_i(clk_i),
      .write_i(write), .waddress_i(AddressW'(windex >> BankBits)), .wdata_i(wdata),
      .read_i(read_i), .raddress_i(AddressW'(rindex_i >> BankBits)), .rdata_o(rdata[b*CodeW +: CodeW])
    );
  end
endmodule
`default_nettype wire
