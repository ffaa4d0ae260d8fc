//! El Torito boot catalogues: a named error, or entries, no more than there is room for.

use pxego::image::el_torito::read_catalog;

/// Reads `data` as a catalogue.
pub fn el_torito(data: &[u8]) {
    match read_catalog(&data.to_vec(), 0) {
        Ok(entries) => {
            assert!(
                entries.len() < data.len() / 32 && entries.len() <= 512,
                "the first is the validation entry"
            );
            for entry in entries {
                assert!(entry.loaded().is_none_or(|len| len <= 65_535 * 512));
                assert_eq!(entry.offset(), u64::from(entry.block) * 2048);
            }
        }
        Err(error) => assert!(error.to_string().contains("boot catalogue"), "{error}"),
    }
    assert!(read_catalog(&data.to_vec(), u64::MAX).is_err());
}
