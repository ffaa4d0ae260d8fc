//! What `--version` prints.

use crate::media::embedded;

/// The version, and which loaders are built in, with the licence and the checksum of each.
pub fn text() -> String {
    let mut text = format!(
        "pxego {}\n\nLoaders built in, for machines whose image has none:\n",
        env!("CARGO_PKG_VERSION")
    );
    for loader in embedded::embedded() {
        text.push_str(&format!(
            "  {:<10} {}, {}, SHA-256 {}\n",
            loader.role.to_string(),
            loader.name,
            loader.licence,
            loader.sha256
        ));
    }
    for missing in embedded::missing() {
        text.push_str(&format!(
            "  {:<10} {} is not in: {}\n",
            missing.role.to_string(),
            missing.name,
            missing.remedy
        ));
    }
    text.push_str("\nLicence: MIT or Apache-2.0. The loaders have their own, as named above.\n");
    text
}
