//! RPM packages: whatever the bytes, the answer is files within the limits or a named error.

use pxego::image::FileData;
use pxego::package::{Limits, rpm::Package};

const LIMITS: Limits = Limits { file_bytes: 64 << 10, total_bytes: 128 << 10, payload_bytes: 1 << 20 };

/// Opens `data` as a package and unpacks everything in it.
pub fn rpm(data: &[u8]) {
    let Ok(package) = Package::open(&FileData::from_bytes(data.to_vec())) else {
        return;
    };
    let Ok(files) = package.extract(&|_| true, LIMITS) else {
        return;
    };
    let mut total = 0;
    for (name, bytes) in &files {
        assert!(!name.starts_with('/'), "{name}");
        assert!(bytes.len() as u64 <= LIMITS.file_bytes);
        total += bytes.len() as u64;
    }
    assert!(total <= LIMITS.total_bytes);
    // One alone is the same, where it is not behind what is damaged: only as much as is wanted is read.
    let first = files.keys().next().cloned().unwrap_or_default();
    if let Ok(one) = package.extract(&|name| name == first, LIMITS) {
        assert!(one.len() <= 1 && one.get(&first) == files.get(&first));
    }
    if let Ok(none) = package.extract(&|_| false, LIMITS) {
        assert!(none.is_empty());
    }
}
