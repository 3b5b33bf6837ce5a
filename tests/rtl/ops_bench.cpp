// Feeds rows of five operands to the generated bench (op_bench.py) and keeps what the selected instance answers.
#include "Vtop.h"
#include "verilated.h"

extern "C" void run(std::uint32_t instance, std::size_t rows, const std::int64_t* operands, std::int64_t* results) {
    VerilatedContext context;
    Vtop bench{&context};
    bench.instance_i = instance;
    for (std::size_t row = 0; row < rows; ++row, operands += 5) {
        bench.a_i = operands[0];
        bench.b_i = operands[1];
        bench.c_i = operands[2];
        bench.d_i = operands[3];
        bench.e_i = operands[4];
        bench.eval();
        results[row] = static_cast<std::int64_t>(bench.result_o);
    }
    bench.final();
}
