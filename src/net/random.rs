//! Bits that nobody can guess.

use std::fs::File;
use std::io::{self, Read};

/// 128 bits from the kernel's generator (random(4)).
///
/// # Errors
/// When `/dev/urandom` cannot be read.
pub fn bits() -> io::Result<u128> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        let draw = || super::bits().expect("random bits");
        assert_ne!(draw(), draw());
    }
}
