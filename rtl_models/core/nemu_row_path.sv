// Weights, and mini-batch sums beside them: a row is read in the cycle it is issued and written three cycles later.
`default_nettype none
module nemu_row_path #(
  parameter int Lanes     = 16,
  parameter int Banks     = 2,
  parameter int WeightW   = 12,
  parameter int GradientW = 0,
  parameter int Rows      = 16384,  // in each bank
  parameter int MemoryW   = 192,
  parameter int RowW      = 17,
  parameter int WideW     = 24,
  parameter int GradW     = (GradientW > 0) ? GradientW : 1
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,

  // the row of this cycle
  input  wire logic             issue_i,
  input  wire logic             forward_i,
  input  wire logic             apply_i,
  input  wire logic             batched_i,   // steps are summed before they are written
  input  wire logic [RowW-1:0]  row_i,
  input  wire logic [WideW-1:0] row_base_i,  // address of the group's row 0
  input  wire logic [WideW-1:0] weight_base_i,
  input  wire logic [2:0]       banks_log2_i,
  output logic                  conflict_o,  // its bank is being written

  // the pipeline behind it
  output logic                     forward2_o,  // accumulate
  output logic                     update1_o,   // multiply
  output logic                     update3_o,   // write
  output logic [RowW-1:0]          row3_o,
  output logic [Lanes*WeightW-1:0] weights_o,   // stage 1
  output logic [Lanes*GradW-1:0]   gradients_o,
  input  wire logic [Lanes*WeightW-1:0] weights_i,    // stage 3
  input  wire logic [Lanes*GradW-1:0]   gradients_i,

  // memory port, while the chip is idle
  input  wire logic               idle_i,
  input  wire logic               host_weights_i,
  input  wire logic               host_gradients_i,
  input  wire logic               host_write_i,
  input  wire logic [7:0]         host_bank_i,
  input  wire logic [WideW-1:0]   host_address_i,
  input  wire logic [MemoryW-1:0] host_wdata_i
);
  localparam int BankW    = (Banks > 1) ? $clog2(Banks) : 1;
  localparam int AddressW = (Rows > 1) ? $clog2(Rows) : 1;

  logic [WideW-1:0]    row_address;
  logic [7:0]          bank;
  logic [AddressW-1:0] address;
  assign row_address = row_base_i + WideW'(row_i);
  assign address     = AddressW'(weight_base_i + (row_address >> banks_log2_i));
  nemu_bank_of #(.AddressW(WideW), .BanksW(8)) u_bank_of (
    .address_i(row_address), .banks_i(8'd1 << banks_log2_i), .bank_o(bank)
  );

  logic                forward1_q, forward2_q, update1_q, update2_q, update3_q;
  logic [BankW-1:0]    bank1_q, bank2_q, bank3_q;
  logic [AddressW-1:0] address1_q, address2_q, address3_q;
  logic [RowW-1:0]     row1_q, row2_q, row3_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      forward1_q <= 1'b0;
      forward2_q <= 1'b0;
      update1_q  <= 1'b0;
      update2_q  <= 1'b0;
      update3_q  <= 1'b0;
    end else begin
      forward1_q <= issue_i && forward_i;
      forward2_q <= forward1_q;
      update1_q  <= issue_i && !forward_i;
      update2_q  <= update1_q;
      update3_q  <= update2_q;
    end
    bank1_q    <= BankW'(bank);
    bank2_q    <= bank1_q;
    bank3_q    <= bank2_q;
    address1_q <= address;
    address2_q <= address1_q;
    address3_q <= address2_q;
    row1_q     <= row_i;
    row2_q     <= row1_q;
    row3_q     <= row2_q;
  end

  assign conflict_o = update3_q && (bank3_q == BankW'(bank));
  assign forward2_o = forward2_q;
  assign update1_o  = update1_q;
  assign update3_o  = update3_q;
  assign row3_o     = row3_q;

  logic [BankW-1:0]         rbank, wbank;
  logic [Lanes*WeightW-1:0] host_weights, weights_wdata;
  assign host_weights  = (Lanes * WeightW)'(host_wdata_i);
  assign weights_wdata = idle_i ? host_weights : weights_i;
  logic [AddressW-1:0] raddress, waddress;
  assign rbank    = idle_i ? BankW'(host_bank_i) : BankW'(bank);
  assign raddress = idle_i ? AddressW'(host_address_i) : address;
  assign wbank    = idle_i ? BankW'(host_bank_i) : bank3_q;
  assign waddress = idle_i ? AddressW'(host_address_i) : address3_q;

  nemu_banked_memory #(.Banks(Banks), .Width(Lanes * WeightW), .Depth(Rows)) u_weights (
    .clk_i(clk_i),
    .read_i((host_weights_i && !host_write_i) || (issue_i && (forward_i || !batched_i || apply_i))),
    .rbank_i(rbank), .raddress_i(raddress), .rdata_o(weights_o),
    .write_i((host_weights_i && host_write_i) || (update3_q && (!batched_i || apply_i))),
    .wbank_i(wbank), .waddress_i(waddress),
    .wdata_i(weights_wdata)
  );

  if (GradientW > 0) begin : g_gradients
    logic [Lanes*GradW-1:0] host_gradients, gradients_wdata;
    assign host_gradients  = (Lanes * GradW)'(host_wdata_i);
    assign gradients_wdata = idle_i ? host_gradients : gradients_i;
    nemu_banked_memory #(.Banks(Banks), .Width(Lanes * GradW), .Depth(Rows)) u_gradients (
      .clk_i(clk_i),
      .read_i((host_gradients_i && !host_write_i) || (issue_i && !forward_i && batched_i)),
      .rbank_i(rbank), .raddress_i(raddress), .rdata_o(gradients_o),
      .write_i((host_gradients_i && host_write_i) || (update3_q && batched_i)),
      .wbank_i(wbank), .waddress_i(waddress),
      .wdata_i(gradients_wdata)
    );
  end else begin : g_no_gradients
    logic unused;
    assign unused      = ^{host_gradients_i, gradients_i};
    assign gradients_o = '0;
  end
endmodule
`default_nettype wire
