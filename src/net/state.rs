//! What outlives the process: the state directory, its lock, and the lease file.
//!
//! A lease must be on the disk before the ACK leaves (RFC 2131 §3.1, step 4): after a power cut the same
//! address must not be given to somebody else. So [`LeaseFile::append`] returns when fdatasync(2) has.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const LEASE_FILE: &str = "leases";
const MACHINE_FILE: &str = "machines";
/// The largest lease file that is read back, in bytes: a million lines.
const LARGEST: u64 = 256 << 20;

/// The largest small text, in bytes.
const LARGEST_TEXT: u64 = 1 << 20;

/// The state directory, locked: no other instance has it while this value lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Locked by flock(2), which ends with the process however it ends.
    _lock: File,
}

/// Why there is no state directory.
#[derive(Debug)]
pub enum StateError {
    /// Another instance has it.
    Locked {
        /// The directory.
        path: PathBuf,
        /// The other instance, where it has said so.
        pid: Option<u32>,
    },
    /// The system refused something.
    System {
        /// What was being done, as the end of "cannot …".
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, pid: Some(pid) } => write!(
                f,
                "another pxego (pid {pid}) is using {}: stop it with \"sudo kill {pid}\", then run pxego again",
                path.display()
            ),
            Self::Locked { path, pid: None } => write!(f, "another pxego is using {}", path.display()),
            Self::System { step, path, error } => write!(f, "cannot {step} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StateError {}

impl StateDir {
    /// Opens the directory, making it (mode 0700) where it is missing, and locks it.
    ///
    /// # Errors
    /// [`StateError::Locked`] when another instance has it, without waiting.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make the state directory", path))?;
        let lock_path = path.join(LOCK_FILE);
        let mut lock = private_file().open(&lock_path).map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whoever has it writes its number right after locking.
                let _ = (&mut lock).take(20).read_to_string(&mut text);
                return Err(StateError::Locked { path: path.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &lock_path)(error)),
        }
        // Only for whoever comes second; on a full disk there is no room for it.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A small text that was kept under a name; empty where there is none, or what is there cannot be it.
    pub fn read(&self, name: &str) -> String {
        let mut text = String::new();
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(self.path.join(name));
        let read = file.and_then(|file| file.take(LARGEST_TEXT).read_to_string(&mut text));
        if read.is_ok() { text } else { String::new() }
    }

    /// Keeps a small text under a name: after a power cut there is either the old one or the new one.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        let mut file = private_file().truncate(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(name))?;
        sync_folder(&self.path)
    }

    /// Where a small text is kept for as long as this computer runs.
    pub fn note(&self, name: &str) -> Note {
        Note { path: self.path.join(name) }
    }

    /// Opens the lease file, making it where it is missing. A last line that was cut by a power failure is
    /// removed: its ACK never left.
    ///
    /// # Errors
    /// When the disk does not take part.
    pub fn lease_file(&self) -> Result<LeaseFile, StateError> {
        self.line_file(LEASE_FILE)
    }

    /// Opens the file of machines, as [`StateDir::lease_file`] does with that of leases.
    ///
    /// # Errors
    /// When the disk does not take part.
    pub fn machine_file(&self) -> Result<LeaseFile, StateError> {
        self.line_file(MACHINE_FILE)
    }

    fn line_file(&self, name: &'static str) -> Result<LeaseFile, StateError> {
        let path = self.path.join(name);
        let file = private_file().open(&path).map_err(failed("open", &path))?;
        let mut leases = LeaseFile { folder: self.path.clone(), name, file, len: 0 };
        leases.trim_to_whole_lines().map_err(failed("read", &path))?;
        sync_folder(&self.path).map_err(failed("sync", &self.path))?;
        Ok(leases)
    }
}

/// A small text for a later run, if this one is killed. It says nothing after the computer was switched off, so it need not
/// outlive that.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
}

impl Note {
    /// What stands there, if it was written since the computer was switched on.
    pub fn read(&self) -> Option<String> {
        let mut text = String::new();
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&self.path).ok()?;
        file.take(LARGEST_TEXT).read_to_string(&mut text).ok()?;
        let (boot, text) = text.split_once('\n')?;
        (boot == boot_id().ok()?).then(|| text.to_owned())
    }

    /// Writes it, over what stands there.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn write(&self, text: &str) -> io::Result<()> {
        let boot = boot_id()?;
        private_file().truncate(true).open(&self.path)?.write_all(format!("{boot}\n{text}").as_bytes())
    }

    /// Removes it. That it is not there is fine.
    pub fn clear(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Another one each time the computer is switched on (random(4)).
fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned())
}

/// An append-only file of lines, each of them on the disk before [`LeaseFile::append`] returns.
#[derive(Debug)]
pub struct LeaseFile {
    folder: PathBuf,
    name: &'static str,
    file: File,
    /// Length of the whole lines, in bytes.
    len: u64,
}

impl LeaseFile {
    /// Adds one line and waits until it is on the disk. On an error the file is as it was.
    ///
    /// # Errors
    /// When the disk is full or gone; `InvalidInput` for a line with a line end in it.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        self.append_all([line])
    }

    /// Adds lines, all of them or none, and waits once until they are on the disk.
    ///
    /// # Errors
    /// As [`LeaseFile::append`].
    pub fn append_all<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend(one_line(line)?);
        }
        self.file.seek(SeekFrom::Start(self.len))?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.len = self.len.saturating_add(bytes.len() as u64),
            // Half a line must not stand before the next one.
            Err(_) => self.file.set_len(self.len)?,
        }
        written
    }

    /// Replaces everything by `lines`: after a power cut there are either the old lines or the new ones.
    ///
    /// # Errors
    /// As [`LeaseFile::append`]; the old lines stay.
    pub fn compact<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let new_path = self.folder.join(format!("{}.new", self.name));
        let mut file = private_file().truncate(true).open(&new_path)?;
        let mut buffered = io::BufWriter::new(&mut file);
        let mut len = 0u64;
        for line in lines {
            let bytes = one_line(line)?;
            buffered.write_all(&bytes)?;
            len = len.saturating_add(bytes.len() as u64);
        }
        buffered.flush()?;
        drop(buffered);
        file.sync_all()?;
        fs::rename(&new_path, self.folder.join(self.name))?;
        // From here on the new file is the one that counts, whatever the directory's sync says.
        *self = Self { folder: self.folder.clone(), name: self.name, file, len };
        sync_folder(&self.folder)
    }

    /// All lines, the oldest first, each with its line end.
    ///
    /// # Errors
    /// When the disk does not take part.
    pub fn read_all(&mut self) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn trim_to_whole_lines(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() > LARGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "not a lease file: too large"));
        }
        let bytes = self.read_all()?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
        if whole < bytes.len() as u64 {
            self.file.set_len(whole)?;
            self.file.sync_data()?;
        }
        self.len = whole;
        Ok(())
    }
}

/// Readable by the owner only (it lists machines), never through a symbolic link that somebody put there.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

fn one_line(line: &str) -> io::Result<Vec<u8>> {
    if line.contains('\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a lease line with a line end in it"));
    }
    Ok([line.as_bytes(), b"\n"].concat())
}

/// Makes a name that was just given last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(step: &'static str, path: &Path) -> impl Fn(io::Error) -> StateError {
    move |error| StateError::System { step, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// An empty directory, removed afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("pxego-state-{}-{number}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The lines that are text.
    fn lines(leases: &mut LeaseFile) -> Vec<String> {
        let bytes = leases.read_all().unwrap();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| String::from_utf8(line.to_vec()).ok()).collect()
    }

    #[test]
    fn lines_come_back_in_order_after_a_restart() {
        let folder = Folder::new();
        let path = folder.0.join("a/b");
        {
            let mut leases = StateDir::open(&path).unwrap().lease_file().unwrap();
            assert!(lines(&mut leases).is_empty());
            leases.append("one").unwrap();
            leases.append("two").unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join("leases")).unwrap().permissions().mode() & 0o777, 0o600);
        let state = StateDir::open(&path).unwrap();
        let mut leases = state.lease_file().unwrap();
        leases.append("three").unwrap();
        assert_eq!(lines(&mut leases), ["one", "two", "three"]);
        leases.compact(["three", "four"]).unwrap();
        leases.append("five").unwrap();
        assert_eq!(lines(&mut leases), ["three", "four", "five"]);
        assert_eq!(lines(&mut state.lease_file().unwrap()), ["three", "four", "five"]);
        assert!(!path.join("leases.new").exists());
        assert!(leases.append("a\nb").is_err());
        assert!(leases.compact(["a\nb"]).is_err());
        assert_eq!(fs::read_to_string(path.join("leases")).unwrap(), "three\nfour\nfive\n");
    }

    #[test]
    fn many_lines_are_added_at_once_and_small_texts_are_kept() {
        let folder = Folder::new();
        let state = StateDir::open(&folder.0).unwrap();
        let mut leases = state.lease_file().unwrap();
        leases.append_all(["one", "two"]).unwrap();
        assert!(leases.append_all(["three", "a\nb"]).is_err());
        assert_eq!(lines(&mut leases), ["one", "two"]);
        assert_eq!(state.read("shapes"), "");
        state.keep("shapes", "a\n").unwrap();
        state.keep("shapes", "b\n").unwrap();
        assert_eq!(state.read("shapes"), "b\n");
        assert!(!folder.0.join("shapes.new").exists());
    }

    #[test]
    fn a_note_is_read_until_the_computer_is_switched_off() {
        let folder = Folder::new();
        let note = StateDir::open(&folder.0).unwrap().note("changed");
        assert_eq!(note.read(), None);
        note.write("a b\n").unwrap();
        assert_eq!(note.read().as_deref(), Some("a b\n"));
        let text = fs::read_to_string(folder.0.join("changed")).unwrap();
        fs::write(folder.0.join("changed"), format!("0{text}")).unwrap();
        assert_eq!(note.read(), None, "of another day");
        note.clear();
        note.clear();
        assert!(!folder.0.join("changed").exists());
    }

    #[test]
    fn a_line_that_was_cut_is_forgotten() {
        let folder = Folder::new();
        for (found, expected) in [
            (&b"one\ntw"[..], &["one"][..]),
            (b"tw", &[]),
            (b"", &[]),
            (b"one\n\xff\xfe\ntwo\n", &["one", "two"]),
            (b"one\n\0\0\0\0", &["one"]),
        ] {
            fs::write(folder.0.join("leases"), found).unwrap();
            let mut leases = StateDir::open(&folder.0).unwrap().lease_file().unwrap();
            assert_eq!(lines(&mut leases), expected, "{found:?}");
            leases.append("next").unwrap();
            assert_eq!(lines(&mut leases), [expected, &["next"]].concat(), "{found:?}");
        }
    }

    #[test]
    fn l32_a_second_instance_is_refused_and_told_who_the_first_is() {
        let folder = Folder::new();
        let first = StateDir::open(&folder.0).unwrap();
        let refused = StateDir::open(&folder.0).unwrap_err();
        assert!(matches!(refused, StateError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(refused.to_string().contains(&format!("sudo kill {}", std::process::id())), "{refused}");
        drop(first);
        StateDir::open(&folder.0).unwrap();
    }

    #[test]
    fn a_link_that_somebody_put_there_is_not_followed() {
        let folder = Folder::new();
        let victim = folder.0.join("victim");
        fs::write(&victim, "precious").unwrap();
        let path = folder.0.join("state");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::symlink(&victim, path.join("leases")).unwrap();
        assert!(StateDir::open(&path).unwrap().lease_file().is_err());
        std::os::unix::fs::symlink(&victim, path.join("leases.new")).unwrap();
        fs::remove_file(path.join("leases")).unwrap();
        assert!(StateDir::open(&path).unwrap().lease_file().unwrap().compact(["x"]).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
