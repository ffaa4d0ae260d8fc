//! A disc that a desktop mounted: its drive, which is read in place as any image.

use std::fs;
use std::path::{Path, PathBuf};

/// The drive, or the loop device, whose disc is mounted at `folder`; `None` when no disc is.
pub(super) fn drive(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    drive_in(&fs::read_to_string("/proc/self/mounts").ok()?, folder.to_str()?)
}

/// The same by what the kernel says of its mounts: fstab(5), with blanks as octal escapes (Linux `fs/proc_namespace.c`). Of
/// several at one place the last is seen.
fn drive_in(mounts: &str, folder: &str) -> Option<PathBuf> {
    let mut at_folder = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (unescaped(place) == folder).then(|| (unescaped(device), kind))
    });
    let (device, kind) = at_folder.next_back()?;
    let is_disc = matches!(kind, "iso9660" | "udf") && device.starts_with('/');
    is_disc.then(|| PathBuf::from(device))
}

fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |field, (escape, letter)| field.replace(escape, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_disc_is_its_drive() {
        let mounts = "proc /proc proc rw 0 0\n\
                      /dev/sdb1 /media/me/STICK vfat rw 0 0\n\
                      /dev/sr0 /media/me/CentOS\\0407\\040x86_64 iso9660 ro,nosuid 0 0\n\
                      tmpfs /mnt tmpfs rw 0 0\n\
                      /dev/loop0 /mnt udf ro 0 0\n\
                      /dev/sr1 /cdrom iso9660 ro 0 0\n\
                      overlay /cdrom overlay rw 0 0\n";
        for (folder, expected) in [
            ("/media/me/CentOS 7 x86_64", Some("/dev/sr0")),
            ("/mnt", Some("/dev/loop0")),
            ("/media/me/STICK", None),
            ("/media/me", None),
            ("/cdrom", None),
        ] {
            assert_eq!(drive_in(mounts, folder), expected.map(PathBuf::from), "{folder}");
        }
    }
}
