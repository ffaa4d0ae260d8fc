#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
use super::*;

const BLOCKS: u32 = 750;

/// What `implantisomd5` 1.2.3 wrote into [`image`]; `checkisomd5` agreed.
const RED_HAT: &str = "ISO MD5SUM = f3ab377e2aea53478a7d60056503bc78;SKIPSECTORS = 15;RHLISOSTATUS=0;FRAGMENT SUMS = \
    bc74739271fc7b914f645523b1da0f4e1154429c65fbac21977fe76eb937;FRAGMENT COUNT = 20;THIS IS NOT THE SAME AS RUNNING MD5SUM \
    ON THIS ISO!!";

/// What `sha256sum` says of [`image`] with the boot sector, 150 sectors of padding and the signature at 512-byte block 400
/// set to zeros.
const SUSE: &str = "check=1;pad=150;sha256sum=3a6639bf2c5f99cacef48e23b01a59bddca004dcb32332ef70fb6419578d136f;\
    partition=1,2,00;signature=400";

/// Bytes that tell their place, with a volume descriptor and `record` in it.
pub(in crate::media) fn image(record: &str) -> Vec<u8> {
    let len = u64::from(BLOCKS) * SECTOR;
    let mut bytes: Vec<u8> = (0..len).map(|at| (((at * at) >> 7) ^ (at >> 3)) as u8).collect();
    let descriptor = &mut bytes[DESCRIPTOR as usize..][..SECTOR as usize];
    descriptor.fill(b' ');
    descriptor[..7].copy_from_slice(b"\x01CD001\x01");
    descriptor[80..84].copy_from_slice(&BLOCKS.to_le_bytes());
    descriptor[84..88].copy_from_slice(&BLOCKS.to_be_bytes());
    descriptor[AREA][..record.len()].copy_from_slice(record.as_bytes());
    let end = &mut bytes[(DESCRIPTOR + SECTOR) as usize..][..SECTOR as usize];
    end.fill(0);
    end[..7].copy_from_slice(b"\xffCD001\x01");
    bytes
}

fn parse(bytes: &[u8]) -> Option<Implanted> {
    Implanted::parse(&bytes[DESCRIPTOR as usize..][..SECTOR as usize])
}

/// The verdict on an image and how many bytes were looked at.
fn check(bytes: &[u8]) -> (Result<(), Mismatch>, u64) {
    let mut check = Check::new(parse(bytes).expect("something is implanted"));
    while let Some(range) = check.wants() {
        let mut piece = bytes[range.start as usize..range.end as usize].to_vec();
        if let Err(mismatch) = check.take(&mut piece) {
            return (Err(mismatch), check.at);
        }
    }
    let at = check.at;
    (check.finish(), at)
}

#[test]
fn images_of_both_makers_are_good() {
    assert_eq!(check(&image(RED_HAT)), (Ok(()), (u64::from(BLOCKS) - 15) * SECTOR));
    assert_eq!(check(&image(SUSE)), (Ok(()), (u64::from(BLOCKS) - 150) * SECTOR));
}

#[test]
fn damage_is_found_in_its_fragment() {
    for place in [0, 100, 36_864, 500_000, 777_777, 1_400_000, 1_504_000] {
        let mut bytes = image(RED_HAT);
        bytes[place] ^= 1;
        let (verdict, read) = check(&bytes);
        let Err(Mismatch::Within(range)) = verdict else { panic!("{place}: {verdict:?}") };
        assert!(range.contains(&(place as u64)), "{place}: {range:?}");
        assert!(range.end - range.start < 200_000 && read == range.end, "{place}: {range:?}, {read} read");
    }
}

#[test]
fn what_is_not_covered_may_change() {
    let len = image(RED_HAT).len();
    // Of Red Hat's: the last sectors. Of SUSE's: the boot sector, the signature, the padding.
    for (record, places) in [
        (RED_HAT, vec![len - 15 * 2048, len - 1]),
        (SUSE, vec![0, 511, 400 * 512 + 64, 401 * 512, len - 150 * 2048]),
    ] {
        for place in places {
            let mut bytes = image(record);
            bytes[place] ^= 0xff;
            assert_eq!(check(&bytes).0, Ok(()), "{place} of {record}");
        }
    }
    for place in [512, 400 * 512 - 1, 404 * 512, len - 150 * 2048 - 1] {
        let mut bytes = image(SUSE);
        bytes[place] ^= 0xff;
        assert_eq!(check(&bytes).0, Err(Mismatch::Somewhere), "{place}");
    }
}

#[test]
fn nonsense_is_nothing() {
    let md5 = "f3ab377e2aea53478a7d60056503bc78";
    for record in [
        "",
        "ISO MD5SUM = f3ab;SKIPSECTORS = 15",
        "ISO MD5SUM",
        &format!("ISO MD5SUM = {md5};SKIPSECTORS = 750"),
        &format!("ISO MD5SUM = {md5};SKIPSECTORS = 18446744073709551615"),
        &format!("ISO MD5SUM = {md5};SKIPSECTORS = -1"),
        &format!("md5sum={md5};pad=99999999999999999999999"),
        &format!("md5sum={md5};pad=1;signature=18446744073709551615"),
        "sha256sum=f3ab377e2aea53478a7d60056503bc78",
        "sha1sum=0123456789012345678901234567890123456789",
    ] {
        assert_eq!(parse(&image(record)), None, "{record}");
    }
    assert_eq!(Implanted::parse(b"\x01CD001"), None);
}

/// With sums of fragments that are nonsense, the sum of the whole has to do.
#[test]
fn without_fragments_the_whole_is_compared() {
    for (from, to) in [("COUNT = 20", "COUNT = 0"), ("COUNT = 20", "COUNT = 61"), ("SUMS = bc74", "SUMS = b")]
    {
        let mut bytes = image(&RED_HAT.replace(from, to));
        assert_eq!(check(&bytes).0, Ok(()), "{to}");
        bytes[500_000] ^= 1;
        assert_eq!(check(&bytes).0, Err(Mismatch::Somewhere), "{to}");
    }
}
