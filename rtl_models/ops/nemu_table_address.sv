// Where the entry of the signed 8-bit pre-activation is stored, q mod 256: ops.table_address.
`default_nettype none
module nemu_table_address (
  input  wire logic signed [7:0] q_i,
  output logic [7:0]             address_o
);
  assign address_o = $unsigned(q_i);
endmodule
`default_nettype wire
