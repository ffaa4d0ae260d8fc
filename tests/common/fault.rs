//! System calls that fail or take long: strace(1) on one thread of a running program. No other thread is touched.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::netns::{Running, wait_until};

/// A fault that lasts until it is dropped.
pub struct Fault(Running);

impl Fault {
    /// Lets `calls` of the thread called `thread` fail as strace's `inject=` says: `error=EIO`, `delay_enter=1000000`.
    pub fn inject(pid: u32, thread: &str, calls: &str, fault: &str) -> Self {
        let task = task(pid, thread);
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
        strace.args(["-e", &format!("inject={calls}:{fault}"), "-p"]).arg(task.file_name().unwrap());
        let strace = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running(strace.spawn().unwrap());
        wait_until("strace is attached", || {
            !fs::read_to_string(task.join("status")).unwrap().contains("TracerPid:\t0\n")
        });
        Self(running)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // It lets go only when it is asked to, and ends by itself when there is nothing left to hold.
        let _ = Command::new("kill").args(["-TERM", &self.0.0.id().to_string()]).output();
        let _ = self.0.0.wait();
    }
}

fn task(pid: u32, thread: &str) -> PathBuf {
    let name = |task: &Path| fs::read_to_string(task.join("comm")).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let found = tasks.map(|task| task.unwrap().path()).find(|task| name(task).trim() == thread);
    found.unwrap_or_else(|| panic!("no thread {thread}"))
}
