//! The servers that are compared, each on 10.77.0.1/16 with a state directory of its own on the same disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::netns::{Netns, Running, run};

/// Most of a network of 65,534.
pub(crate) const LARGE: (&str, &str) = ("10.77.16.0", "10.77.255.250");
/// As many as pxego asks about ahead of demand.
pub(crate) const MIDDLE: (&str, &str) = ("10.77.16.0", "10.77.31.255");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Pxego,
    Dnsmasq,
    Isc,
    Kea,
}

/// Whether an address is asked about before it is given. pxego always does; Kea never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ping {
    /// As the program does when nothing is said.
    Default,
    Off,
}

impl Program {
    pub(crate) const ALL: [Self; 4] = [Self::Pxego, Self::Dnsmasq, Self::Isc, Self::Kea];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pxego => "pxego",
            Self::Dnsmasq => "dnsmasq",
            Self::Isc => "isc-dhcpd",
            Self::Kea => "kea",
        }
    }

    /// Starts it with nothing remembered.
    pub(crate) fn start(self, netns: &Netns, (first, last): (&str, &str), ping: Ping) -> Server {
        let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dhcp-{}", self.name()));
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).unwrap();
        let path = |name: &str| state.join(name).to_str().unwrap().to_owned();
        let mut command = match self {
            Self::Pxego => {
                let mut command = netns.command(env!("CARGO_BIN_EXE_pxego"));
                command.args(["--iface", "eth0", "--address", "10.77.0.1/16"]);
                command.args(["--range", &format!("{first}-{last}"), "--state", &path("state"), "--iso"]);
                command.arg(image());
                command
            }
            Self::Dnsmasq => {
                let mut command = netns.command("dnsmasq");
                command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"]);
                command.args(["--interface=eth0", "--bind-interfaces", "--quiet-dhcp", "--log-facility=-"]);
                command.arg(format!("--dhcp-range={first},{last},255.255.0.0,12h"));
                command.args(["--dhcp-lease-max=100000", "--dhcp-boot=undionly.kpxe"]);
                command.arg(format!("--dhcp-leasefile={}", path("leases")));
                command.arg(format!("--pid-file={}", path("pid")));
                command.args((ping == Ping::Off).then_some("--no-ping"));
                command
            }
            Self::Isc => {
                fs::write(path("leases"), "").unwrap();
                let ping = if ping == Ping::Off { "ping-check false;\n" } else { "" };
                let config = format!(
                    "{ping}default-lease-time 43200;\nmax-lease-time 43200;\n\
                     subnet 10.77.0.0 netmask 255.255.0.0 {{\n  range {first} {last};\n  next-server 10.77.0.1;\n  \
                     filename \"undionly.kpxe\";\n}}\n"
                );
                fs::write(path("conf"), config).unwrap();
                let mut command = netns.command("dhcpd");
                command.args([
                    "-4",
                    "-f",
                    "-q",
                    "-cf",
                    &path("conf"),
                    "-lf",
                    &path("leases"),
                    "-pf",
                    &path("pid"),
                ]);
                command.arg("eth0");
                command
            }
            Self::Kea => {
                let config = serde_json::json!({ "Dhcp4": {
                    "interfaces-config": { "interfaces": ["eth0"], "dhcp-socket-type": "raw" },
                    "lease-database": { "type": "memfile", "persist": true, "name": path("leases.csv") },
                    "valid-lifetime": 43200,
                    "subnet4": [{
                        "subnet": "10.77.0.0/16",
                        "pools": [{ "pool": format!("{first} - {last}") }],
                        "next-server": "10.77.0.1",
                        "boot-file-name": "undionly.kpxe",
                    }],
                    "loggers": [{ "name": "kea-dhcp4", "severity": "ERROR",
                                  "output_options": [{ "output": "stderr" }] }],
                } });
                fs::write(path("conf"), config.to_string()).unwrap();
                let mut command = netns.command("kea-dhcp4");
                command.args(["-c", &path("conf")]);
                command.env("KEA_PIDFILE_DIR", &state).env("KEA_LOCKFILE_DIR", &state);
                command
            }
        };
        let log = fs::File::create(state.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = Running(command.spawn().unwrap());
        Server { process }
    }
}

/// A server that runs.
pub(crate) struct Server {
    process: Running,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// A line of proc_pid_status(5) in MB.
    pub(crate) fn memory(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    /// Ends it as its service would.
    pub(crate) fn stop(mut self) {
        let _ = Command::new("kill").arg(self.pid().to_string()).status();
        let _ = self.process.0.wait();
    }
}

/// Any install image: it is not read from here.
fn image() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/image.sh");
    let output = run(Command::new(script).arg("el9").stderr(Stdio::inherit()));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}
