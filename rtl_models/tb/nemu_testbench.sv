// Self-checking testbench of the golden vectors; the same file runs in Icarus (-g2012) and in Verilator (--timing).
//
//   +SET=DIR        the set of vectors (default: natural)
//   +NOTRACE        compare predictions, cycles and final weights alone
//   +NOCYCLES       do not compare cycles
//   +STALL=N        samples and results wait at random (N: seed); cycles are not compared then
//   +WRITES=N       print every row written for sample N
//   +WAVES=FILE     write a waveform of cycles +WAVES_FROM=N to +WAVES_TO=N (since reset)
//   +MISMATCHES=N   go on until N mismatches are printed (default: 8)
//
// The last line is PASS or FAIL with the counts of what was compared. A simulator's exit code proves nothing.
`default_nettype none
module nemu_testbench;
  import nemu_golden_pkg::*;

  localparam int Patience = 4000000;             // cycles after which the chip is said to hang
  localparam int RecordW = 64 + Lanes * TraceW;  // sample, kind and layer and group, one field a lane

  logic clk;
  initial begin
    clk = 1'b0;
    forever #5 clk = ~clk;
  end

  // --- the device under test -----------------------------------------------------------------------------------------
  logic                    rst_n = 1'b0, reg_valid = 1'b0, reg_write = 1'b0;
  logic [8:0]              reg_address = '0;
  logic [31:0]             reg_wdata = '0;
  // verilator lint_off UNUSEDSIGNAL
  logic [31:0]             reg_rdata;  // for the waveform
  // verilator lint_on UNUSEDSIGNAL
  logic                    mem_valid = 1'b0, mem_write = 1'b0;
  logic [2:0]              mem_select = '0;
  logic [7:0]              mem_bank = '0;
  logic [23:0]             mem_address = '0;
  logic [MemoryW-1:0]      mem_wdata = '0, mem_rdata;
  logic                    sample_valid = 1'b0, sample_ready, sample_learn = 1'b0, result_valid, result_ready = 1'b1;
  logic [CodeW-1:0]        sample_code = '0;
  logic [16:0]             sample_label = '0, result_class, trace_group, trace_write_row;
  logic                    idle, trace_valid, trace_write;
  logic [2:0]              trace_kind;
  logic [3:0]              trace_layer;
  logic [Lanes*TraceW-1:0] trace_data;
  logic [Lanes*WriteW-1:0] trace_write_data;

  nemu_dut u_dut (
    .clk_i(clk), .rst_ni(rst_n),
    .reg_valid_i(reg_valid), .reg_write_i(reg_write), .reg_address_i(reg_address), .reg_wdata_i(reg_wdata),
    .reg_rdata_o(reg_rdata),
    .mem_valid_i(mem_valid), .mem_write_i(mem_write), .mem_select_i(mem_select), .mem_bank_i(mem_bank),
    .mem_address_i(mem_address), .mem_wdata_i(mem_wdata), .mem_rdata_o(mem_rdata),
    .sample_valid_i(sample_valid), .sample_ready_o(sample_ready), .sample_code_i(sample_code),
    .sample_label_i(sample_label), .sample_learn_i(sample_learn),
    .result_valid_o(result_valid), .result_ready_i(result_ready), .result_class_o(result_class), .idle_o(idle),
    .trace_valid_o(trace_valid), .trace_kind_o(trace_kind), .trace_layer_o(trace_layer),
    .trace_group_o(trace_group), .trace_data_o(trace_data),
    .trace_write_o(trace_write), .trace_write_row_o(trace_write_row), .trace_write_data_o(trace_write_data)
  );

  // --- vectors -------------------------------------------------------------------------------------------------------
  logic [31:0]               sizes [0:15];  // of this set: see manifest.json
  logic [47:0]               registers [0:MostRegisters-1];    // address, word
  logic [Lanes*WeightW-1:0]  weights [0:Banks*WeightRows-1];
  logic [Lanes*FeedbackW-1:0] feedback [0:FeedbackRows-1];
  logic [CodeW-1:0]          tables [0:Layers*256-1];
  logic [7:0]                derivatives [0:Layers*256-1];
  logic [CodeW-1:0]          codes [0:MostSamples*MostInputs-1];
  logic [31:0]               labels [0:MostSamples-1];         // label, bit 31: learn
  logic [RecordW-1:0]        records [0:MostRecords-1];
  logic [31:0]               predictions [0:MostSamples-1], cycles [0:MostSamples];

  string set, path;
  int    samples, inputs, record_count, writes_of, mismatches, mismatch_limit;
  bit    with_trace, with_cycles, with_sums, flushes;
  int unsigned stall_seed;

  int cycle;          // since reset
  int begun;          // cycle of the sample's first beat
  int sample;         // whose work this is
  int seen;           // records compared
  int results;
  int total_cycles;
  bit running;
  bit waves;
  int waves_from, waves_to;
  always @(posedge clk) cycle <= cycle + 1;

  function automatic bit gap();
    gap = 1'b0;
    if (stall_seed != 0) begin
      stall_seed = stall_seed ^ (stall_seed << 13);
      stall_seed = stall_seed ^ (stall_seed >> 17);
      stall_seed = stall_seed ^ (stall_seed << 5);
      gap = (stall_seed & 3) == 0;
    end
  endfunction

  task automatic count_mismatch;
    mismatches = mismatches + 1;
    if (mismatches >= mismatch_limit) finish;
  endtask

  task automatic finish;
    $display("%s set=%0s samples=%0d records=%0d cycles=%0d mismatches=%0d",
             (mismatches == 0) ? "PASS" : "FAIL", set, results, seen, total_cycles, mismatches);
    $finish;
  endtask

  task automatic write_register(input logic [8:0] address, input logic [31:0] word);
    reg_valid = 1'b1;
    reg_write = 1'b1;
    reg_address = address;
    reg_wdata = word;
    @(negedge clk);
    reg_valid = 1'b0;
    reg_write = 1'b0;
  endtask

  task automatic wait_idle;
    #1;
    while (!idle) begin
      @(negedge clk);
      #1;
    end
  endtask

  task automatic load_memory(input int which, input int bank, input int address, input logic [MemoryW-1:0] row);
    mem_valid = 1'b1;
    mem_write = 1'b1;
    mem_select = 3'(which);
    mem_bank = 8'(bank);
    mem_address = 24'(address);
    mem_wdata = row;
    @(negedge clk);
    mem_valid = 1'b0;
    mem_write = 1'b0;
  endtask

  task automatic read_memory(input int which, input int bank, input int address);
    mem_valid = 1'b1;
    mem_select = 3'(which);
    mem_bank = 8'(bank);
    mem_address = 24'(address);
    @(negedge clk);
    mem_valid = 1'b0;
    #1;
  endtask

  task automatic compare_cycles(input int of, input int taken);
    total_cycles = total_cycles + taken;
    if (with_cycles && taken != int'(cycles[of])) begin
      $display("MISMATCH cycles set=%0s sample=%0d expected=%0d got=%0d", set, of, cycles[of], taken);
      count_mismatch;
    end
  endtask

  // --- watching ------------------------------------------------------------------------------------------------------
  logic [RecordW-1:0] record;
  assign record = {32'(sample), 4'(trace_kind), 8'(trace_layer), 20'(trace_group), trace_data};

  always @(negedge clk) begin
    if (running && trace_valid && with_trace) begin
      if (seen >= record_count) begin
        $display("MISMATCH surplus set=%0s record=%0d cycle=%0d got=%h", set, seen, cycle - begun, record);
        count_mismatch;
      end else if (record !== records[seen]) begin
        $display("MISMATCH record set=%0s record=%0d cycle=%0d expected=%h got=%h", set, seen, cycle - begun,
                 records[seen], record);
        count_mismatch;
      end
      seen = seen + 1;
    end
    if (running && trace_write && sample == writes_of) begin
      $display("WRITE layer=%0d group=%0d row=%0d cycle=%0d data=%h", trace_layer, trace_group, trace_write_row,
               cycle - begun, trace_write_data);
    end
    if (running && result_valid && result_ready) begin
      if (result_class !== 17'(predictions[results])) begin
        $display("MISMATCH prediction set=%0s sample=%0d expected=%0d got=%0d", set, results, predictions[results],
                 result_class);
        count_mismatch;
      end
      results = results + 1;
    end
    if (cycle - begun > Patience) begin
      $display("MISMATCH hang set=%0s sample=%0d cycle=%0d expected=the next sample got=nothing", set, sample,
               cycle - begun);
      mismatches = mismatches + 1;
      finish;
    end
    if (waves && cycle == waves_from) $dumpon;
    if (waves && cycle == waves_to) $dumpoff;
  end

  // --- the run -------------------------------------------------------------------------------------------------------
  initial begin
    if (!$value$plusargs("SET=%s", set)) set = "natural";
    if (!$value$plusargs("STALL=%d", stall_seed)) stall_seed = 0;
    if (!$value$plusargs("WRITES=%d", writes_of)) writes_of = -1;
    if (!$value$plusargs("MISMATCHES=%d", mismatch_limit)) mismatch_limit = 8;
    if (!$value$plusargs("WAVES_FROM=%d", waves_from)) waves_from = 0;
    if (!$value$plusargs("WAVES_TO=%d", waves_to)) waves_to = 2147483647;
    with_trace  = !$test$plusargs("NOTRACE");
    with_cycles = !$test$plusargs("NOCYCLES") && stall_seed == 0;
    mismatches  = 0;

    $readmemh({set, "/sizes.mem"}, sizes, 0, 9);
    samples      = int'(sizes[0]);
    inputs       = int'(sizes[1]);
    record_count = int'(sizes[2]);
    with_sums    = sizes[4] != 0;
    flushes      = sizes[5] != 0;
    $readmemh({set, "/registers.mem"}, registers, 0, int'(sizes[3]) - 1);
    for (int b = 0; b < Banks; b++) begin
      $sformat(path, "%0s/weights_%0d.mem", set, b);
      $readmemh(path, weights, b * WeightRows, b * WeightRows + WeightRows - 1);
    end
    $readmemh({set, "/feedback.mem"}, feedback);
    $readmemh({set, "/tables.mem"}, tables);
    $readmemh({set, "/derivatives.mem"}, derivatives);
    $readmemh({set, "/codes.mem"}, codes, 0, samples * inputs - 1);
    $readmemh({set, "/labels.mem"}, labels, 0, samples - 1);
    $readmemh({set, "/records.mem"}, records, 0, record_count - 1);
    $readmemh({set, "/predictions.mem"}, predictions, 0, samples - 1);
    $readmemh({set, "/cycles.mem"}, cycles, 0, samples - 1);
    if ($value$plusargs("WAVES=%s", path)) begin
      waves = 1'b1;
      $dumpfile(path);
      $dumpvars(0, u_dut);
      if (waves_from > 0) $dumpoff;
    end

    repeat (4) @(negedge clk);
    rst_n = 1'b1;
    @(negedge clk);
    for (int r = 0; r < int'(sizes[3]); r++) write_register(registers[r][40:32], registers[r][31:0]);
    for (int b = 0; b < Banks; b++) begin
      for (int r = 0; r < WeightRows; r++) begin
        load_memory(0, b, r, MemoryW'(weights[b*WeightRows+r]));
        if (with_sums) load_memory(4, b, r, '0);
      end
    end
    for (int r = 0; r < FeedbackRows; r++) load_memory(1, 0, r, MemoryW'(feedback[r]));
    for (int r = 0; r < Layers * 256; r++) load_memory(2, 0, r, MemoryW'(tables[r]));
    for (int r = 0; r < Layers * 256; r++) load_memory(3, 0, r, MemoryW'(derivatives[r]));
    write_register(9'd7, 32'd1);  // random words from their seeds
    wait_idle;
    @(negedge clk);

    for (int s = 0; s < samples; s++) begin
      for (int i = 0; i < inputs; i++) begin
        while (gap()) begin
          sample_valid = 1'b0;
          result_ready = !gap();
          @(negedge clk);
        end
        sample_valid = 1'b1;
        result_ready = !gap();
        sample_code  = codes[s*inputs+i];
        sample_label = labels[s][16:0];
        sample_learn = labels[s][31];
        #1;
        while (!sample_ready) begin
          @(negedge clk);
          result_ready = !gap();
          #1;
        end
        if (i == 0) begin
          if (s > 0) compare_cycles(s - 1, cycle - begun);
          begun   = cycle;
          sample  = s;
          running = 1'b1;
        end
        @(negedge clk);
      end
      sample_valid = 1'b0;
    end
    result_ready = 1'b1;
    wait_idle;
    compare_cycles(samples - 1, cycle - begun);
    @(negedge clk);
    #1;
    if (flushes) begin
      write_register(9'd7, 32'd2);  // the short last mini-batch
      wait_idle;
      @(negedge clk);
      #1;
    end
    running = 1'b0;

    if (results != samples) begin
      $display("MISMATCH predictions set=%0s expected=%0d got=%0d", set, samples, results);
      count_mismatch;
    end
    if (with_trace && seen < record_count) begin
      $display("MISMATCH missing set=%0s record=%0d expected=%h got=%0d records", set, seen, records[seen], seen);
      count_mismatch;
    end
    for (int b = 0; b < Banks; b++) begin
      $sformat(path, "%0s/final_%0d.mem", set, b);
      $readmemh(path, weights, b * WeightRows, b * WeightRows + WeightRows - 1);
    end
    for (int b = 0; b < Banks; b++) begin
      for (int r = 0; r < WeightRows; r++) begin
        read_memory(0, b, r);
        if (mem_rdata[Lanes*WeightW-1:0] !== weights[b*WeightRows+r]) begin
          $display("MISMATCH weights set=%0s bank=%0d address=%0d expected=%h got=%h", set, b, r,
                   weights[b*WeightRows+r], mem_rdata[Lanes*WeightW-1:0]);
          count_mismatch;
        end
      end
    end
    finish;
  end
endmodule
`default_nettype wire
