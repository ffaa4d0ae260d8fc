//! Debian packages: whatever the bytes, the answer is files within the limits or a named error.

use pxego::image::FileData;
use pxego::package::{Limits, deb::Package};

const LIMITS: Limits = Limits { file_bytes: 64 << 10, total_bytes: 128 << 10, payload_bytes: 1 << 20 };

/// Opens `data` as a package and unpacks everything in it.
pub fn deb(data: &[u8]) {
    let _ = unpacks(data);
}

/// The same; tells whether it could be unpacked.
pub fn unpacks(data: &[u8]) -> bool {
    let Ok(package) = Package::open(&FileData::from_bytes(data.to_vec())) else {
        return false;
    };
    let Ok(files) = package.extract(&|_| true, LIMITS) else {
        return false;
    };
    let mut total = 0;
    for (name, bytes) in &files {
        assert!(!name.is_empty() && !name.starts_with('/'), "{name}");
        assert!(bytes.len() as u64 <= LIMITS.file_bytes);
        total += bytes.len() as u64;
    }
    assert!(total <= LIMITS.total_bytes);
    // One alone is the same, unless it is a link to one that is not wanted, or stands behind what is damaged.
    let first = files.keys().next().cloned().unwrap_or_default();
    if let Ok(one) = package.extract(&|name| name == first, LIMITS) {
        assert!(one.len() <= 1 && one.get(&first).is_none_or(|bytes| Some(bytes) == files.get(&first)));
    }
    true
}
