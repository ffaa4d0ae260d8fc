//! The binary: see [`pxego::app`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pxego::app::main(std::env::args_os().skip(1))
}
