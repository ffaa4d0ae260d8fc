//! Metadata of repositories: any bytes are read or refused, with memory that does not grow beyond what was read.

use pxego::answer::repository::{Comps, Primary, Repomd};

/// Reads `data` as each of the three files.
pub fn repository(data: &[u8]) {
    if let Ok(repomd) = Repomd::read(data) {
        for path in [repomd.primary, repomd.comps].into_iter().flatten() {
            assert!(path.len() <= 4 * data.len());
        }
    }
    let mut primary = Primary::default();
    let _ = primary.read(data);
    let bytes: usize = primary.names().map(str::len).sum();
    // A byte that is no UTF-8 becomes three.
    assert!(bytes <= 4 * data.len(), "{bytes} from {}", data.len());
    let mut comps = Comps::default();
    let _ = comps.read(data);
    assert!(comps.groups.len() + comps.environments.len() <= data.len());
    assert!(comps.groups.iter().all(|group| !group.id.is_empty()));
}
