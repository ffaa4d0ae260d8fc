//! Not root: a user who may do nothing, and the same after the command that pxego told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use super::netns::{Bench, run};
use super::{REFUSED, addresses, iso, pxego, run_as};

/// The user called nobody, everywhere.
const NOBODY: &str = "65534";

/// A folder that every user can reach, with a copy of pxego and an image. Not below /tmp, where a file's capabilities
/// may not count (`nosuid`). Removed when dropped.
struct Reachable(PathBuf);

impl Reachable {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(format!("/var/tmp/pxego-{test}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let folder = Self(path);
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
        for (from, to, mode) in [(env!("CARGO_BIN_EXE_pxego"), "pxego", 0o755), (&iso(), "a.iso", 0o644)] {
            fs::copy(from, folder.0.join(to)).unwrap();
            fs::set_permissions(folder.0.join(to), fs::Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Reachable {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_user_without_rights_is_told_both_ways_and_they_work() {
    let (bench, folder) = (Bench::new(), Reachable::new("rights"));
    let program = folder.path("pxego");
    let as_nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", &program];
    let state = folder.path("state");
    fs::create_dir(&state).unwrap();
    chown(&state, Some(65534), Some(65534)).unwrap();
    let arguments = format!("--iface eth0 --iso {} --state {state}", folder.path("a.iso"));

    let ended = run_as(&bench.server, &as_nobody, &arguments);
    ended.is(REFUSED, &["no permission", "cap_net_raw"]);
    assert_eq!(ended.next_command(), format!("{program} {arguments}"));
    let setcap = ended.text.lines().find_map(|line| line.strip_prefix("    sudo setcap ")).expect("setcap");
    assert!(addresses(&bench.server).is_empty());

    run(Command::new("setcap").args(setcap.split(' ')));
    // A port in use is found out last: it got that far.
    let _other = bench.server.start("busybox", &["httpd", "-f", "-p", "80"]);
    super::netns::wait_until("httpd", || {
        let output = run(bench.server.command("ss").args(["-H", "-ltn", "sport = :80"]));
        !output.stdout.is_empty()
    });
    // Whose it is cannot be seen by nobody.
    run_as(&bench.server, &as_nobody, &arguments).is(REFUSED, &["TCP port 80 is taken", "ss -tlpn"]);
    assert!(addresses(&bench.server).is_empty(), "it was added and taken back");
}

#[test]
fn what_the_user_may_not_read_or_write_is_named() {
    let (bench, folder) = (Bench::new(), Reachable::new("unreadable"));
    let program = folder.path("pxego");
    let as_nobody = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", &program];
    let (iso, kickstart, state) = (folder.path("a.iso"), folder.path("ks.cfg"), folder.path("state"));
    fs::write(&kickstart, "text\n").unwrap();
    fs::set_permissions(&kickstart, fs::Permissions::from_mode(0o600)).unwrap();
    let ended = run_as(&bench.server, &as_nobody, &format!("--iface eth0 --iso {iso} --ks {kickstart}"));
    ended.is(REFUSED, &[&kickstart, "Permission denied", "ls -l "]);

    run(Command::new("setcap").args(["cap_net_raw,cap_net_admin,cap_net_bind_service+ep", &program]));
    let ended = run_as(&bench.server, &as_nobody, &format!("--iface eth0 --iso {iso} --state {state}"));
    ended.is(REFUSED, &[&state, "Permission denied", "--state DIR"]);
    // root may read it, and comes to the next thing that is wrong.
    let ended = pxego(&bench.server, &format!("--iface eth0 --iso {iso} --ks {kickstart} --state /proc/x"));
    ended.is(REFUSED, &["/proc/x"]);
}
