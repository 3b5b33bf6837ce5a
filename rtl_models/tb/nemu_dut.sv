// The device under test of the golden vectors. To check a chip of your own, keep this module's name and ports, put your
// chip into its body and give the file to `neuro-emu cosim DIR --rtl FILES`, or to your simulator.
//
//   reg_*     configuration registers (REGISTERS.md). A chip with fixed settings may ignore them.
//   mem_*     initial contents in, final weights out, while no sample is in flight; read data one cycle later.
//             Select: 0 weights, 1 feedback, 2 activation tables, 3 derivative tables, 4 mini-batch sums. A row of
//             weights or feedback holds one code a lane, lane 0 in the lowest bits.
//   sample_*  one input code a cycle while ready; label and learn belong to the first.
//   result_*  the prediction of each sample, made before it is learned.
//   idle_o    nothing to do: the next sample or memory access may come.
//   trace_*   one record a checkpoint (manifest.json, `trace`). A chip without a trace port ties trace_valid_o to 0 and
//             is run with +NOTRACE: predictions, cycles (unless +NOCYCLES) and final weights are compared then.
//   trace_write_*  written rows; used only to name the input of a mismatch.
`default_nettype none
module nemu_dut
  import nemu_golden_pkg::*;
(
  input  wire logic clk_i,
  input  wire logic rst_ni,

  input  wire logic        reg_valid_i,
  input  wire logic        reg_write_i,
  input  wire logic [8:0]  reg_address_i,
  input  wire logic [31:0] reg_wdata_i,
  output logic [31:0]      reg_rdata_o,

  input  wire logic               mem_valid_i,
  input  wire logic               mem_write_i,
  input  wire logic [2:0]         mem_select_i,
  input  wire logic [7:0]         mem_bank_i,
  input  wire logic [23:0]        mem_address_i,
  input  wire logic [MemoryW-1:0] mem_wdata_i,
  output logic [MemoryW-1:0]      mem_rdata_o,

  input  wire logic             sample_valid_i,
  output logic                  sample_ready_o,
  input  wire logic [CodeW-1:0] sample_code_i,
  input  wire logic [16:0]      sample_label_i,
  input  wire logic             sample_learn_i,

  output logic        result_valid_o,
  input  wire logic   result_ready_i,
  output logic [16:0] result_class_o,

  output logic        idle_o,

  output logic                    trace_valid_o,
  output logic [2:0]              trace_kind_o,
  output logic [3:0]              trace_layer_o,
  output logic [16:0]             trace_group_o,
  output logic [Lanes*TraceW-1:0] trace_data_o,
  output logic                    trace_write_o,
  output logic [16:0]             trace_write_row_o,
  output logic [Lanes*WriteW-1:0] trace_write_data_o
);
  nemu_core #(
    .Lanes(Lanes), .Banks(Banks), .Units(Units), .Layers(Layers), .WeightW(WeightW), .FeedbackW(FeedbackW),
    .CodeW(CodeW), .DeltaW(DeltaW), .AccW(AccW), .MidW(MidW), .GradientW(GradientW), .Codes(Codes),
    .WeightRows(WeightRows), .FeedbackRows(FeedbackRows), .KeptGroups(KeptGroups), .ErrorGroups(ErrorGroups),
    .Semantics(Semantics)
  ) u_core (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .reg_valid_i(reg_valid_i), .reg_write_i(reg_write_i), .reg_address_i(reg_address_i),
    .reg_wdata_i(reg_wdata_i), .reg_rdata_o(reg_rdata_o),
    .mem_valid_i(mem_valid_i), .mem_write_i(mem_write_i), .mem_select_i(mem_select_i), .mem_bank_i(mem_bank_i),
    .mem_address_i(mem_address_i), .mem_wdata_i(mem_wdata_i), .mem_rdata_o(mem_rdata_o),
    .sample_valid_i(sample_valid_i), .sample_ready_o(sample_ready_o), .sample_code_i(sample_code_i),
    .sample_label_i(sample_label_i), .sample_learn_i(sample_learn_i),
    .result_valid_o(result_valid_o), .result_ready_i(result_ready_i), .result_class_o(result_class_o),
    .idle_o(idle_o),
    .trace_valid_o(trace_valid_o), .trace_kind_o(trace_kind_o), .trace_layer_o(trace_layer_o),
    .trace_group_o(trace_group_o), .trace_data_o(trace_data_o), .trace_write_o(trace_write_o),
    .trace_write_row_o(trace_write_row_o), .trace_write_data_o(trace_write_data_o)
  );
endmodule
`default_nettype wire
