//! Every fuzz target: the check of the same name.
#![no_main]

use std::sync::LazyLock;

use pxego_fuzz::{CHECKS, Check};

static CHECK: LazyLock<Check> = LazyLock::new(|| {
    let name = env!("CARGO_BIN_NAME");
    CHECKS.iter().find(|(other, _)| *other == name).expect("it is listed in checks/mod.rs").1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| CHECK(data));
