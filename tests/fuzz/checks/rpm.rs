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
    // What is kept depends on the wish alone, never on what else is there.
    let first = files.keys().next().cloned().unwrap_or_default();
    let one = package.extract(&|name| name == first, LIMITS).expect("it unpacked a moment ago");
    assert_eq!(one.get(&first), files.get(&first));
    assert!(one.len() <= 1);
    assert!(package.extract(&|_| false, LIMITS).expect("it unpacked a moment ago").is_empty());
}
