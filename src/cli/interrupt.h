#pragma once

// SIGINT and SIGTERM as a flag that long work asks; a second one ends the process at once.

namespace kinglet::cli {

void catch_interrupts();
int interrupt();  // the signal that came, or 0

}  // namespace kinglet::cli
