//! Checksums that an image carries: the record implanted in a volume descriptor, and lists of files.

use pxego::media::checksum::list;
use pxego::media::implanted::{Check, Implanted, PIECE};

/// No check of a fuzzer's image is followed further than this.
const MOST: u64 = 4 << 20;

/// Reads `data` as a volume descriptor, and as a list.
pub fn checksums(data: &[u8]) {
    for (path, sum) in list(data) {
        assert!(!path.is_empty() && !path.starts_with('/') && !path.contains(['\n', '\0']), "{path}");
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
        assert!(sum.digits.bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()));
    }
    let Some(implanted) = Implanted::parse(data) else { return };
    assert_eq!(Some(&implanted), Implanted::parse(data).as_ref());
    assert!(implanted.covered() > 0 && implanted.covered() % 2048 == 0);
    let (covered, mut at) = (implanted.covered(), 0);
    let mut check = Check::new(implanted);
    let mut bytes = vec![0; PIECE as usize];
    while let Some(range) = check.wants() {
        assert!(
            range.start == at && range.end > at && range.end <= covered && range.end - at <= PIECE,
            "{range:?}"
        );
        at = range.end;
        let piece = &mut bytes[..(range.end - range.start) as usize];
        if check.take(piece).is_err() || at > MOST {
            return;
        }
    }
    assert_eq!(at, covered);
    let _ = check.finish();
}
