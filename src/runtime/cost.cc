#include "runtime/cost.h"

#include "dtype/list.h"

namespace kinglet {
namespace {

template <class... Entries>
bool is_integer_entry(DType dtype, std::tuple<Entries...>*) {
  return ((Entries::kDType == dtype && Entries::Panel::kInteger) || ...);
}

std::size_t rows_of(const arch::Matrix& matrix, const PassSize& pass) {
  switch (matrix.rows) {
    case arch::Matrix::Rows::kAll: return pass.rows;
    case arch::Matrix::Rows::kWanted: return pass.wanted;
    case arch::Matrix::Rows::kLookedUp: return 0;
  }
  return 0;
}

}  // namespace

Cost& Cost::operator+=(const Cost& other) {
  weight_bytes += other.weight_bytes;
  cache_bytes += other.cache_bytes;
  float_operations += other.float_operations;
  bfloat_operations += other.bfloat_operations;
  int8_operations += other.int8_operations;
  activation_bytes += other.activation_bytes;
  return *this;
}

bool multiplies_bytes(DType dtype) {
  return is_integer_entry(dtype, static_cast<dtype::WeightFormats*>(nullptr));
}

double& operations_of(Cost& cost, DType dtype, Math math) {
  if (multiplies_bytes(dtype)) return cost.int8_operations;
  return dtype == DType::kBF16 && math == Math::kBfloat ? cost.bfloat_operations : cost.float_operations;
}

double bytes_of_value(nn::CacheType cache) {
  switch (cache) {
    case nn::CacheType::kF16: return 2;
    case nn::CacheType::kF32: return 4;
    case nn::CacheType::kQ8_0: break;
  }
  return 34.0 / 32;  // a block's scale counted as the f16 that it is
}

Cost cost_of(const arch::Model& model, const PassSize& pass, nn::CacheType cache) {
  const nn::Shape& s = model.shape();
  Cost cost;
  for (const arch::Matrix& matrix : model.matrices()) {
    const std::size_t rows = rows_of(matrix, pass);
    if (rows == 0) continue;
    cost.weight_bytes += static_cast<double>(matrix.bytes);
    const double products = 2.0 * static_cast<double>(matrix.out * matrix.in * rows);
    operations_of(cost, matrix.dtype, model.math()) += products;
  }
  const std::size_t positions = pass.past + pass.rows;
  cost.cache_bytes = static_cast<double>(s.layers * 2 * s.kv_heads * s.head_width * positions) *
                     bytes_of_value(cache);
  const double seen = static_cast<double>(pass.rows) *
                      (static_cast<double>(pass.past) + (static_cast<double>(pass.rows) + 1) / 2);
  cost.float_operations += static_cast<double>(s.layers * 4 * s.heads * s.head_width) * seen;
  return cost;
}

Bound bound_of(const Cost& cost, std::size_t passes, const Limits& limits) {
  return bound_of_step(cost, cost.streamed() / static_cast<double>(passes), limits);
}

Bound bound_of_step(const Cost& cost, double pass_bytes, const Limits& limits) {
  const bool fits = limits.cache_gbps > 0 && pass_bytes <= static_cast<double>(limits.cache_bytes);
  const double reading = cost.streamed() / (fits ? limits.cache_gbps : limits.memory_gbps) * 1e-9;
  const double computing = (cost.float_operations / limits.float_gflops +
                            cost.bfloat_operations / limits.bfloat_gflops +
                            cost.int8_operations / limits.int8_gops) * 1e-9;
  if (computing > reading) return {computing, "compute"};
  if (reading == 0) return {};
  return {reading, fits ? "cache" : "memory"};
}

}  // namespace kinglet
