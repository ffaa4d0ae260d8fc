//! The keyboard of a virtual machine, by QEMU's monitor.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Presses and releases a key, as QEMU names it: `ret`, `up`, `4`. Before QEMU listens, nothing happens.
pub fn press(monitor: &Path, key: &str) {
    if let Ok(mut socket) = UnixStream::connect(monitor) {
        // QEMU may be gone a moment later; whoever waits for the effect will tell.
        let _ = writeln!(socket, "sendkey {key}");
        let _ = socket.flush();
        // Its answer, up to the next prompt: until then the command may not have been read.
        let _ = socket.set_read_timeout(Some(std::time::Duration::from_secs(5)));
        let mut answer = Vec::new();
        let mut buffer = [0; 256];
        while let Ok(count @ 1..) = std::io::Read::read(&mut socket, &mut buffer) {
            answer.extend_from_slice(&buffer[..count]);
            if answer.windows(7).filter(|window| window == b"(qemu) ").count() > 1 {
                break;
            }
        }
    }
}
