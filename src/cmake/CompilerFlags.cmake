# Flags of every target of the project, as the interface target kinglet_flags.

add_library(kinglet_flags INTERFACE)
target_compile_options(kinglet_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  -ffp-contract=off      # a fused multiply-add is written, never found (numerics contract, rule 1)
  -fno-math-errno
  $<$<BOOL:${KINGLET_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12: false positives inside std::string's operator+

# Hardening that costs nothing measurable outside the kernels.
target_compile_options(kinglet_flags INTERFACE -fstack-protector-strong)
target_compile_definitions(kinglet_flags INTERFACE
  $<$<NOT:$<CONFIG:Debug>>:_GLIBCXX_ASSERTIONS>)
target_link_options(kinglet_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

if(KINGLET_SANITIZE STREQUAL "address")
  set(KINGLET_SANITIZE_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all
      -fno-omit-frame-pointer)
elseif(KINGLET_SANITIZE STREQUAL "thread")
  set(KINGLET_SANITIZE_FLAGS -fsanitize=thread)
elseif(KINGLET_SANITIZE)
  message(FATAL_ERROR "KINGLET_SANITIZE is '${KINGLET_SANITIZE}', allowed: address, thread")
endif()
target_compile_options(kinglet_flags INTERFACE ${KINGLET_SANITIZE_FLAGS})
target_link_options(kinglet_flags INTERFACE ${KINGLET_SANITIZE_FLAGS})
if(NOT KINGLET_SANITIZE)
  target_compile_definitions(kinglet_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=3>)
endif()
