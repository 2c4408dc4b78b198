//! The `holdgate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: every start of a model server waits for this.
    if let Some(code) = holdgate::backend::helper::dispatch(std::env::args_os()) {
        return code;
    }
    ExitCode::SUCCESS
}
