//! The program. What it does is in the library, `hostlerd::main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hostlerd::main()
}
