//! Image files on media that come and go, and reading one without being in anybody's way.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use super::sys;
use crate::image::{ImageFile, ReadAt};

/// Lets go of the medium: as long as a file on it is open, the system neither forgets it nor gives its name to the next.
/// Whoever is reading gets no more bytes.
///
/// # Errors
/// When there is no `/dev/null`.
pub fn let_go(image: &ImageFile) -> io::Result<()> {
    let nothing = File::open("/dev/null")?;
    image.as_file().map_or(Ok(()), |file| sys::replace(file.as_fd(), nothing.as_fd()))
}

/// Reads `image` from now on through `again`, the same image opened anew.
///
/// # Errors
/// What dup3(2) says.
pub fn take_back(image: &ImageFile, again: &ImageFile) -> io::Result<()> {
    match (image.as_file(), again.as_file()) {
        (Some(file), Some(again)) => sys::replace(file.as_fd(), again.as_fd()),
        _ => Ok(()),
    }
}

/// Whether the path of `image` still leads to the file that is open.
pub fn is_at_its_path(image: &ImageFile) -> bool {
    let open = image.as_file().and_then(|file| file.metadata().ok());
    let there = fs::metadata(image.path()).ok();
    let place = |it: fs::Metadata| (it.dev(), it.ino(), it.rdev());
    open.map(place).zip(there.map(place)).is_some_and(|(open, there)| open == there)
}

/// Has the kernel forget what it holds in memory of some bytes, so that reading them asks the medium.
pub fn forget(image: &ImageFile, offset: u64, len: u64) {
    if let Some(file) = image.as_file() {
        sys::advise(file.as_fd(), offset, len, libc::POSIX_FADV_DONTNEED);
    }
}

/// Lets this thread have what nobody else wants of the processors and disks. Without that it is in the way, and does the
/// same.
pub fn be_idle() {
    if let Err(error) = sys::be_idle() {
        log::debug!("reading at idle priority: {error}");
    }
}

/// A reader of a whole image that leaves the page cache as it is: what machines fetch stays in it, and what they do not comes
/// not in.
#[derive(Debug)]
pub struct PassingReader {
    image: ImageFile,
}

impl PassingReader {
    /// Opens the image once more, so that reading ahead for others is not disturbed.
    ///
    /// # Errors
    /// As [`ImageFile::open`]; `InvalidData` when another file stands there now.
    pub fn open(image: &ImageFile) -> io::Result<Self> {
        let again = ImageFile::open(image.path())?;
        if again.len() != image.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if let Some(file) = again.as_file() {
            // Without it the kernel would read ahead, and what it did looked as if somebody wanted it.
            sys::advise(file.as_fd(), 0, 0, libc::POSIX_FADV_RANDOM);
        }
        Ok(Self { image: again })
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// What the device says, `UnexpectedEof` at the end.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let Some(file) = self.image.as_file() else { return self.image.read_exact_at(buffer, offset) };
        if matches!(sys::read_cached(file.as_fd(), buffer, offset), Ok(read) if read == buffer.len()) {
            return Ok(());
        }
        self.image.read_exact_at(buffer, offset)?;
        sys::advise(file.as_fd(), offset, buffer.len() as u64, libc::POSIX_FADV_DONTNEED);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("pxego-medium-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_medium_that_is_let_go_can_be_taken_back() {
        let path = file("stick", b"the image");
        let image = ImageFile::open(&path).unwrap();
        assert!(is_at_its_path(&image) && !image.take_failure());
        fs::remove_file(&path).unwrap();
        assert!(!is_at_its_path(&image));
        let_go(&image).unwrap();
        assert_eq!(image.read_at(&mut [0; 4], 0).unwrap(), 0, "nothing is read any more");
        assert!(image.take_failure() && !image.take_failure());
        let again = ImageFile::open(&file("stick", b"the image")).unwrap();
        take_back(&image, &again).unwrap();
        drop(again);
        let mut buffer = [0; 9];
        forget(&image, 0, 9);
        image.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"the image");
        assert!(is_at_its_path(&image));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_passing_reader_reads_the_same_file_and_no_other() {
        let path = file("passing", &[7; 10_000]);
        let image = ImageFile::open(&path).unwrap();
        let reader = PassingReader::open(&image).unwrap();
        let mut buffer = [0; 5_000];
        reader.read(&mut buffer, 5_000).unwrap();
        assert_eq!(buffer, [7; 5_000]);
        assert_eq!(reader.read(&mut buffer, 5_001).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        fs::write(&path, b"short").unwrap();
        assert!(PassingReader::open(&image).is_err());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_thread_can_be_idle() {
        let policy = std::thread::spawn(|| {
            be_idle();
            let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
            // The last of proc_pid_stat(5)'s fields are counted from the name's closing bracket: `policy` is the 41st.
            let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            fields[38].to_owned()
        });
        assert_eq!(policy.join().unwrap(), libc::SCHED_IDLE.to_string());
    }
}
