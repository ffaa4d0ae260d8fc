//! EFI programs: whatever the bytes, an answer.

use pxego::media::{Signature, pe};

/// Asks everything about `data`.
pub fn pe(data: &[u8]) {
    let machine = pe::machine(data);
    let signature = pe::signature(data);
    if machine.is_none() {
        assert_eq!(signature, Signature::None, "what is no program has no certificates");
        assert!(!pe::has_section(data, b"mods"));
    }
    if let Signature::By(name) = &signature {
        assert!(!name.is_empty() && !name.chars().any(char::is_control), "{name:?}");
        assert_eq!(pe::trusts(data, data), Some(true), "its own signer's name is in it");
    }
    assert!(!signature.to_string().is_empty());
}
