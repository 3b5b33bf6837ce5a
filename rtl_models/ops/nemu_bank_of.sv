// SRAM bank of a row address; banks_i is a power of two: ops.bank_of.
`default_nettype none
module nemu_bank_of #(
  parameter int AddressW = 16,
  parameter int BanksW   = 8  // width of banks_i, at most AddressW
) (
  // verilator lint_off UNUSEDSIGNAL
  input  wire logic [AddressW-1:0] address_i,  // only its lowest bits choose the bank
  // verilator lint_on UNUSEDSIGNAL
  input  wire logic [BanksW-1:0]   banks_i,
  output logic [BanksW-1:0]        bank_o
);
  assign bank_o = BanksW'(address_i) & (banks_i - BanksW'(1));
endmodule
`default_nettype wire
