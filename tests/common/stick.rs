//! A stick: a file system with one file, whose reads can be made to fail. Served through `/dev/fuse` by this program.
//!
//! Source: Linux `include/uapi/linux/fuse.h`, version 7.31.
#![allow(dead_code, unreachable_pub, unsafe_code, clippy::disallowed_methods)]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::netns::wait_until;

/// The file on it.
pub const NAME: &str = "image.iso";

/// A directory for sticks to be mounted at, seen by programs in network namespaces too: ip-netns(8) gives each its own mounts,
/// which follow ours where they are shared, as systemd has them everywhere.
pub struct Slot(PathBuf);

impl Slot {
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path).unwrap();
        let path = path.canonicalize().unwrap();
        mount(&path, &path, "none", libc::MS_BIND, "");
        mount(&path, &path, "none", libc::MS_SHARED, "");
        fs::create_dir_all(path.join("stick")).unwrap();
        Self(path)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap()
}

fn mount(source: &Path, target: &Path, kind: &str, flags: libc::c_ulong, options: &str) {
    let (source, target) = (text(source.as_os_str().as_bytes()), text(target.as_os_str().as_bytes()));
    let (kind, options) = (text(kind.as_bytes()), text(options.as_bytes()));
    // SAFETY: four strings that end in NUL and outlive the call.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast())
    };
    assert_eq!(result, 0, "mount at {target:?}: {}", io::Error::last_os_error());
}

fn unmount(target: &Path) {
    let target = text(target.as_os_str().as_bytes());
    // SAFETY: a string that ends in NUL and outlives the call.
    let result = unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    assert_eq!(result, 0, "umount {target:?}: {}", io::Error::last_os_error());
}

/// A stick in its slot: mounted at a directory. Pulled when it is dropped.
pub struct Stick {
    mount: PathBuf,
    is_dead: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Stick {
    /// Plugs in a stick with the bytes of `file`.
    pub fn plug(slot: &Slot, file: &Path) -> Self {
        let at = slot.0.join("stick");
        let fuse = File::options().read(true).write(true).open("/dev/fuse").expect("FUSE is there");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", fuse.as_raw_fd());
        mount(
            Path::new("pxego-stick"),
            &at,
            "fuse",
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_RDONLY,
            &options,
        );
        let is_dead = Arc::new(AtomicBool::new(false));
        let device = Device { fuse, file: File::open(file).unwrap(), is_dead: is_dead.clone() };
        let server = std::thread::spawn(move || device.serve());
        Self { mount: at, is_dead, server: Some(server) }
    }

    /// The path of the file on it.
    pub fn file(&self) -> PathBuf {
        self.mount.join(NAME)
    }

    /// Pulls it: from now on reads fail that the page cache does not answer. It stays mounted, as without a desktop.
    pub fn pull(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        self.pull();
        unmount(&self.mount);
        // It ends when nobody has the file open any more.
        let server = self.server.take().unwrap();
        if !std::thread::panicking() {
            wait_until("nobody holds the stick", || server.is_finished());
        }
    }
}

struct Device {
    fuse: File,
    file: File,
    is_dead: Arc<AtomicBool>,
}

const ROOT: u64 = 1;
const INODE: u64 = 2;

/// Longest request: `max_write` of the answer to INIT and a head.
const REQUEST: usize = (1 << 17) + 4096;

impl Device {
    fn serve(mut self) {
        let mut buffer = vec![0; REQUEST];
        loop {
            let count = match (&self.fuse).read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return,
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOENT | libc::EAGAIN)) =>
                {
                    continue;
                }
                Err(error) => panic!("/dev/fuse: {error}"),
            };
            let request = &buffer[..count];
            let number = |at: usize| u64::from_le_bytes(request[at..at + 8].try_into().unwrap());
            let (opcode, unique, node) = (number(0) >> 32, number(8), number(16));
            let body = &request[40..];
            let Some(answer) = self.answer(opcode, node, body) else { continue };
            let (error, payload) = answer.map_or_else(|error| (-error, Vec::new()), |payload| (0, payload));
            let mut reply = ((16 + payload.len()) as u32).to_le_bytes().to_vec();
            reply.extend(error.to_le_bytes());
            reply.extend(unique.to_le_bytes());
            reply.extend(payload);
            // A request that was given up by its sender takes no answer.
            let _ = self.fuse.write(&reply);
        }
    }

    /// The answer to a request, or an error number; `None` where none is wanted.
    fn answer(&self, opcode: u64, node: u64, body: &[u8]) -> Option<Result<Vec<u8>, i32>> {
        const FORGET: u64 = 2;
        const INTERRUPT: u64 = 36;
        const BATCH_FORGET: u64 = 42;
        Some(match opcode {
            FORGET | INTERRUPT | BATCH_FORGET => return None,
            // INIT: version, read-ahead, no flags, background, max_write, time granularity, and what is 0.
            26 => {
                let mut out: Vec<u8> =
                    [7_u32, 31, 1 << 17, 0].iter().flat_map(|it| it.to_le_bytes()).collect();
                out.extend([12_u16, 9].iter().flat_map(|it| it.to_le_bytes()));
                out.extend([1_u32 << 17, 1].iter().flat_map(|it| it.to_le_bytes()));
                out.resize(64, 0);
                Ok(out)
            }
            // LOOKUP
            1 if self.is_dead.load(Ordering::SeqCst) => Err(libc::EIO),
            1 if body.strip_suffix(b"\0") == Some(NAME.as_bytes()) => {
                let mut out: Vec<u8> = [INODE, 0, 0, 0, 0].iter().flat_map(|it| it.to_le_bytes()).collect();
                out.extend(self.attributes(INODE));
                Ok(out)
            }
            1 => Err(libc::ENOENT),
            // GETATTR
            3 => {
                let mut out = vec![0; 16];
                out.extend(self.attributes(node));
                Ok(out)
            }
            // OPEN, OPENDIR: a handle, no flags.
            14 | 27 => Ok(vec![0; 16]),
            // READ
            15 if self.is_dead.load(Ordering::SeqCst) => Err(libc::EIO),
            15 => {
                let offset = u64::from_le_bytes(body[8..16].try_into().unwrap());
                let size = u32::from_le_bytes(body[16..20].try_into().unwrap());
                let mut bytes = vec![0; size as usize];
                let mut done = 0;
                while done < bytes.len() {
                    match self.file.read_at(&mut bytes[done..], offset + done as u64).unwrap() {
                        0 => break,
                        count => done += count,
                    }
                }
                bytes.truncate(done);
                Ok(bytes)
            }
            // RELEASE, FLUSH, RELEASEDIR, DESTROY
            18 | 25 | 29 | 38 => Ok(Vec::new()),
            _ => Err(libc::ENOSYS),
        })
    }

    /// `fuse_attr`
    fn attributes(&self, node: u64) -> Vec<u8> {
        let len = self.file.metadata().unwrap().len();
        let (size, mode, links) = match node {
            ROOT => (0, libc::S_IFDIR | 0o555, 2_u32),
            _ => (len, libc::S_IFREG | 0o444, 1),
        };
        let mut out: Vec<u8> =
            [node, size, size.div_ceil(512), 0, 0, 0].iter().flat_map(|it| it.to_le_bytes()).collect();
        out.extend([0, 0, 0, mode, links, 0, 0, 0, 4096, 0].iter().flat_map(|it| it.to_le_bytes()));
        out
    }
}
