#include "convert/manifest.h"

#include <nlohmann/json.hpp>

#include "base/output_file.h"
#include "dtype/format.h"
#include "kinglet/version.h"

namespace kinglet {

std::string manifest_of(const io::ModelFile& model, const Plan& plan, const ConvertOptions& options,
                        const Verification& verification) {
  using Json = nlohmann::ordered_json;
  Json tensors = Json::object();
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const VerifiedTensor& tensor = verification.tensors[i];
    tensors[tensor.name] = {{"name_in_file", plan.tensors[i].name}, {"dtype", dtype::name_of(tensor.to)},
                            {"shape", plan.tensors[i].source->shape}, {"sha256", tensor.sha256},
                            {"source_dtype", dtype::name_of(tensor.from)}, {"relative_error", tensor.relative}};
  }
  const std::filesystem::path source(model.file);
  Json json = {{"kinglet", version()},
               {"source", {{"name", (source.has_filename() ? source : source.parent_path()).filename().string()},
                           {"format", model.format}}},
               {"options", {{"dtype", options.dtype}, {"tensor_dtypes", options.tensor_dtypes},
                            {"allow_unknown", options.allow_unknown}, {"allow_nan", options.allow_nan}}},
               {"tensors", std::move(tensors)}};
  if (verification.logits) {
    json["logits"] = {{"positions", verification.logits->positions}, {"mean_kl", verification.logits->mean_kl},
                      {"same_best", verification.logits->same_best}};
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::filesystem::path manifest_beside(std::filesystem::path out) { return out += ".manifest.json"; }

void write_manifest(const std::filesystem::path& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace kinglet
