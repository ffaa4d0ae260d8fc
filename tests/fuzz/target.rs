//! Every fuzz target: the check of the same name.
#![no_main]

use std::sync::LazyLock;

mod checks;

static CHECK: LazyLock<checks::Check> = LazyLock::new(|| {
    let name = env!("CARGO_BIN_NAME");
    checks::CHECKS.iter().find(|(other, _)| *other == name).expect("it is listed in checks/mod.rs").1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| CHECK(data));
