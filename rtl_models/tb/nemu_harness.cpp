// The chip as a C library: registers, memories, samples in; predictions, cycles, trace records out.
// Built by Verilator with --prefix Vtop from core/nemu_core.sv; driven by neuro_emu/cosim/rtl.py.
#include <cstdint>
#include <cstring>
#include <string>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

template <class Port>
void put(Port& port, const uint32_t* words) {
  std::memcpy(&port, words, sizeof(Port));
}

template <class Port>
void get(const Port& port, uint32_t* words) {
  std::memcpy(words, &port, sizeof(Port));
}

struct Chip {
  VerilatedContext context;
  Vtop top{&context};
  uint64_t cycle = 0;
  uint32_t stalls = 0;  // state of a generator of stalls; 0: none
#if VM_TRACE
  VerilatedVcdC* wave = nullptr;
  uint64_t wave_from = 0, wave_to = 0;
#endif

  void settle() {
    top.clk_i = 0;
    top.eval();
#if VM_TRACE
    if (wave && cycle >= wave_from && cycle < wave_to) wave->dump(cycle * 10);
#endif
  }

  void edge() {
    top.clk_i = 1;
    top.eval();
#if VM_TRACE
    if (wave && cycle >= wave_from && cycle < wave_to) wave->dump(cycle * 10 + 5);
#endif
    ++cycle;
  }

  void tick() {
    settle();
    edge();
  }

  bool stalled() {
    if (stalls == 0) return false;
    stalls ^= stalls << 13;
    stalls ^= stalls >> 17;
    stalls ^= stalls << 5;
    return (stalls & 3) == 0;
  }
};

}  // namespace

extern "C" {

// What happens while samples run. Records are rows of 5 + trace words: sample, kind, layer, group, cycle of the
// sample, data. Writes are rows of 5 + write words: sample, layer, group, row, cycle, data.
struct Run {
  const uint8_t* codes;    // samples x inputs
  const uint32_t* labels;
  const uint8_t* learn;
  uint32_t samples, inputs;
  uint32_t* predictions;
  uint64_t* cycles;        // of each sample
  uint32_t* records;
  uint64_t records_limit, records_count;
  uint32_t* writes;
  uint64_t writes_limit, writes_count;
  uint64_t patience;       // most cycles of one sample
  uint32_t fault;          // 1: a sample took longer; 2: the RTL stopped the simulation
};

Chip* chip_new() {
  Chip* chip = new Chip;
  Vtop& top = chip->top;
#if VM_TRACE
  chip->context.traceEverOn(true);
#endif
  top.reg_valid_i = 0;
  top.mem_valid_i = 0;
  top.sample_valid_i = 0;
  top.result_ready_i = 1;
  top.rst_ni = 0;
  for (int i = 0; i < 4; ++i) chip->tick();
  top.rst_ni = 1;
  chip->tick();
  return chip;
}

void chip_delete(Chip* chip) {
#if VM_TRACE
  if (chip->wave) {
    chip->wave->close();
    delete chip->wave;
  }
#endif
  chip->top.final();
  delete chip;
}

uint32_t chip_trace_words() { return sizeof(Vtop::trace_data_o) / 4; }
uint32_t chip_write_words() { return (sizeof(Vtop::trace_write_data_o) + 3) / 4; }
uint32_t chip_memory_words() { return (sizeof(Vtop::mem_wdata_i) + 3) / 4; }
uint64_t chip_cycle(const Chip* chip) { return chip->cycle; }
void chip_stall(Chip* chip, uint32_t seed) { chip->stalls = seed; }

// A waveform of cycles from ... to - 1, counted since chip_new. Returns 0 if the library was built without.
int chip_wave(Chip* chip, const char* path, uint64_t from, uint64_t to) {
#if VM_TRACE
  chip->wave = new VerilatedVcdC;
  chip->top.trace(chip->wave, 99);
  chip->wave->open(path);
  chip->wave_from = from;
  chip->wave_to = to;
  return 1;
#else
  (void)chip, (void)path, (void)from, (void)to;
  return 0;
#endif
}

void chip_register_write(Chip* chip, uint32_t address, uint32_t data) {
  Vtop& top = chip->top;
  top.reg_valid_i = 1;
  top.reg_write_i = 1;
  top.reg_address_i = address;
  top.reg_wdata_i = data;
  chip->tick();
  top.reg_valid_i = 0;
  top.reg_write_i = 0;
}

uint32_t chip_register_read(Chip* chip, uint32_t address) {
  Vtop& top = chip->top;
  top.reg_valid_i = 1;
  top.reg_write_i = 0;
  top.reg_address_i = address;
  chip->settle();
  const uint32_t data = top.reg_rdata_o;
  chip->edge();
  top.reg_valid_i = 0;
  return data;
}

// Until the chip has nothing to do; returns the cycles waited.
uint64_t chip_wait(Chip* chip) {
  const uint64_t begin = chip->cycle;
  chip->settle();
  while (!chip->top.idle_o) chip->tick(), chip->settle();
  return chip->cycle - begin;
}

void chip_memory_write(Chip* chip, uint32_t select, uint32_t bank, uint32_t address, uint32_t rows,
                       const uint32_t* data) {
  Vtop& top = chip->top;
  const uint32_t words = chip_memory_words();
  top.mem_valid_i = 1;
  top.mem_write_i = 1;
  top.mem_select_i = select;
  top.mem_bank_i = bank;
  for (uint32_t r = 0; r < rows; ++r) {
    top.mem_address_i = address + r;
    put(top.mem_wdata_i, data + static_cast<size_t>(r) * words);
    chip->tick();
  }
  top.mem_valid_i = 0;
  top.mem_write_i = 0;
}

void chip_memory_read(Chip* chip, uint32_t select, uint32_t bank, uint32_t address, uint32_t rows, uint32_t* data) {
  Vtop& top = chip->top;
  const uint32_t words = chip_memory_words();
  top.mem_write_i = 0;
  top.mem_select_i = select;
  top.mem_bank_i = bank;
  for (uint32_t r = 0; r < rows; ++r) {
    top.mem_valid_i = 1;
    top.mem_address_i = address + r;
    chip->tick();
    top.mem_valid_i = 0;
    chip->settle();
    get(top.mem_rdata_o, data + static_cast<size_t>(r) * words);
  }
}

// Runs the samples back to back; a sample's cycles reach from its first beat to that of the next, the last one's to
// the end of its work.
void chip_run(Chip* chip, Run* run) {
  Vtop& top = chip->top;
  const uint32_t trace_words = chip_trace_words(), write_words = chip_write_words();
  uint32_t sample = 0, beat = 0, results = 0;
  bool started = false;
  uint64_t begin = chip->cycle, last = begin;
  run->records_count = run->writes_count = 0;
  run->fault = 0;

  for (;;) {
    const bool more = sample < run->samples;
    const bool offers = more && !chip->stalled();
    top.sample_valid_i = offers;
    if (more) {
      top.sample_code_i = run->codes[static_cast<size_t>(sample) * run->inputs + beat];
      top.sample_label_i = run->labels[sample];
      top.sample_learn_i = run->learn[sample];
    }
    top.result_ready_i = !chip->stalled();
    chip->settle();

    const uint32_t now = beat == 0 && sample > 0 ? sample - 1 : sample;  // whose work this is
    if (offers && top.sample_ready_o) {
      if (beat == 0) {
        if (started) run->cycles[sample - 1] = chip->cycle - begin;
        started = true;
        begin = chip->cycle;
      }
      if (++beat == run->inputs) beat = 0, ++sample;
    }
    if (top.result_valid_o && top.result_ready_i && results < run->samples) {
      run->predictions[results++] = top.result_class_o;
    }
    // The last signature and the last prediction are shown in the first idle cycle.
    const bool over = !more && top.idle_o && results == run->samples;
    if (!over) last = chip->cycle + 1;

    if (top.trace_valid_o && run->records) {
      if (run->records_count < run->records_limit) {
        uint32_t* row = run->records + run->records_count * (5 + trace_words);
        row[0] = now;
        row[1] = top.trace_kind_o;
        row[2] = top.trace_layer_o;
        row[3] = top.trace_group_o;
        row[4] = static_cast<uint32_t>(chip->cycle - begin);
        get(top.trace_data_o, row + 5);
      }
      ++run->records_count;
    }
    if (top.trace_write_o && run->writes) {
      if (run->writes_count < run->writes_limit) {
        uint32_t* row = run->writes + run->writes_count * (5 + write_words);
        row[0] = now;
        row[1] = top.trace_layer_o;
        row[2] = top.trace_group_o;
        row[3] = top.trace_write_row_o;
        row[4] = static_cast<uint32_t>(chip->cycle - begin);
        row[5 + write_words - 1] = 0;
        get(top.trace_write_data_o, row + 5);
      }
      ++run->writes_count;
    }
    chip->edge();
    if (over) break;
    if (chip->context.gotFinish()) run->fault = 2;
    if (chip->cycle - begin > run->patience) run->fault = 1;
    if (run->fault) break;
  }
  top.sample_valid_i = 0;
  top.result_ready_i = 1;
  if (run->samples) run->cycles[run->samples - 1] = last - begin;
}

}  // extern "C"
