// One activation unit: accumulator to pre-activation to output code, and the derivative's product.
//
//   forward, cycle 1   q = requantise(z); the table is read at q
//   forward, cycle 2   y = table entry, or a piecewise linear function of q
//   error,   cycle 0   the derivative table is read at q of the next neuron
//   error,   cycle 1   delta = requantise(signal * derivative)
`default_nettype none
module nemu_activation_unit #(
  parameter int AccW    = 32,
  parameter int MidW    = 40,
  parameter int CodeW   = 9,
  parameter int DeltaW  = 9,
  parameter int SignalW = 9,
  parameter int Layers  = 2,
  parameter int EntryW  = (CodeW > 8) ? CodeW : 8  // of a table as the host writes it
) (
  input  wire logic                      clk_i,
  input  wire logic [3:0]                layer_i,

  input  wire logic                      activate_i,
  input  wire logic signed [AccW-1:0]    z_i,
  input  wire logic signed [6:0]         preactivation_shift_i,
  output logic signed [7:0]              q_o,           // cycle 1
  input  wire logic [1:0]                activation_i,
  input  wire logic [2:0]                table_frac_i,
  input  wire logic signed [6:0]         output_shift_i,
  input  wire logic signed [CodeW-1:0]   output_low_i,
  input  wire logic signed [CodeW-1:0]   output_high_i,
  output logic signed [CodeW-1:0]        y_o,           // cycle 2

  input  wire logic                      derive_i,      // cycle 0
  input  wire logic signed [7:0]         derive_q_i,
  input  wire logic signed [SignalW-1:0] signal_i,      // cycle 1
  input  wire logic signed [6:0]         gate_shift_i,
  input  wire logic signed [DeltaW-1:0]  delta_low_i,
  input  wire logic signed [DeltaW-1:0]  delta_high_i,
  output logic signed [DeltaW-1:0]       delta_o,

  // both tables are loaded by the host
  input  wire logic                                  table_write_i,
  input  wire logic                                  derivative_write_i,
  input  wire logic [$clog2(Layers * 256)-1:0]       table_address_i,
  input  wire logic [EntryW-1:0]                     table_wdata_i
);
  localparam int TableW = $clog2(Layers * 256);
  localparam logic [1:0] Table = 2'd0;

  // --- forward ------------------------------------------------------------------------------------------------------
  logic signed [7:0] q, q_q;
  logic [7:0]        address;
  logic [CodeW-1:0]  entry;
  nemu_requantise #(.InW(AccW), .MidW(MidW), .OutW(8)) u_requantise (
    .code_i(z_i), .shift_i(preactivation_shift_i), .low_i(-8'sd128), .high_i(8'sd127), .code_o(q)
  );
  assign q_o = q;
  nemu_table_address u_address (.q_i(q), .address_o(address));
  nemu_ram_1r1w #(.Width(CodeW), .Depth(Layers * 256)) u_table (
    .clk_i(clk_i),
    .write_i(table_write_i), .waddress_i(table_address_i), .wdata_i(CodeW'(table_wdata_i)),
    .read_i(activate_i && activation_i == Table), .raddress_i(TableW'({layer_i, address})), .rdata_o(entry)
  );
  always_ff @(posedge clk_i) if (activate_i) q_q <= q;

  logic signed [CodeW-1:0] linear;
  nemu_linear_activation #(.CodeW(CodeW), .MidW(MidW)) u_linear (
    .q_i(q_q), .activation_i(activation_i), .table_frac_i(table_frac_i), .output_shift_i(output_shift_i),
    .output_low_i(output_low_i), .output_high_i(output_high_i), .y_o(linear)
  );
  assign y_o = (activation_i == Table) ? $signed(entry) : linear;

  // --- derivative ---------------------------------------------------------------------------------------------------
  logic [7:0]                derive_address, slope;
  logic signed [SignalW+8:0] product;
  nemu_table_address u_derive_address (.q_i(derive_q_i), .address_o(derive_address));
  nemu_ram_1r1w #(.Width(8), .Depth(Layers * 256)) u_derivative (
    .clk_i(clk_i),
    .write_i(derivative_write_i), .waddress_i(table_address_i), .wdata_i(8'(table_wdata_i)),
    .read_i(derive_i), .raddress_i(TableW'({layer_i, derive_address})), .rdata_o(slope)
  );
  assign product = (SignalW + 9)'(signal_i) * (SignalW + 9)'($signed({1'b0, slope}));
  nemu_requantise #(.InW(SignalW + 9), .MidW(MidW), .OutW(DeltaW)) u_gate (
    .code_i(product), .shift_i(gate_shift_i), .low_i(delta_low_i), .high_i(delta_high_i), .code_o(delta_o)
  );
endmodule
`default_nettype wire
