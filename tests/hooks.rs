//! The hooks that are put into a kickstart: pykickstart reads them, shells run them, and nothing waits for them. Needs root
//! (each install has a `/tmp` of its own), and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/netns.rs"]
mod netns;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use dhcp_lab::{Lan, Pxego, Scratch, mac_of};
use dhcp_machine::Machine;
use pxego::answer::hooks::{Dialect, insert};
use pxego::wire::MacAddr;

const DEADLINE: Duration = Duration::from_secs(120);

/// How the user's file ends is different each time: every way in which real ones do.
const KICKSTARTS: [&str; 4] = [
    "lang en_US\nkeyboard us\ntimezone Etc/UTC\nrootpw --iscrypted x\nautopart\nbootloader --location=mbr",
    "lang en_US\n%include /tmp/part\n%packages\n@core\n%include /tmp/more\nEND%pre\necho x >/tmp/part\nEND",
    "lang en_US\r\n%packages\r\n@core\r\nEND%post --log=/root/x\r\necho '%end'\r\nEND",
    "lang en_US\n%post --interpreter=/usr/bin/python\nprint('%packages')\nEND%post --nochroot --erroronfail\nls\nEND%packages\n@core\nEND",
];

/// Each release with its family, as pykickstart and as we call them.
const RELEASES: [(&str, &str, &str, &str); 9] = [
    ("RHEL5", "el5", "CentOS", "5.11"),
    ("RHEL6", "el6", "CentOS", "6.10"),
    ("RHEL7", "el7", "CentOS", "7.3"),
    ("RHEL7", "el7", "CentOS", "7.9"),
    ("RHEL8", "el8plus", "CentOS", "8.5"),
    ("RHEL9", "el8plus", "CentOS", "9"),
    ("RHEL10", "el8plus", "CentOS", "10.0"),
    ("F40", "fedora", "Fedora", "40"),
    ("F44", "el8plus-netinst", "Fedora", "44"),
];

/// What pykickstart says to each of many [version, text], a list of lines for each; `[]` is clean.
const JUDGE: &str = r#"
import json, sys, warnings
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
for version, text in json.load(sys.stdin):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parser = KickstartParser(makeVersion(version), followIncludes=False)
        said = []
        try:
            parser.readKickstartFromString(text)
        except Exception as error:
            said.append(str(error))
    said += [str(warning.message) for warning in caught]
    scripts = [[script.type, script.inChroot, script.errorOnFail] for script in parser.handler.scripts]
    print(json.dumps([said, scripts]))
"#;

/// What `demo/setup.sh` unpacks.
fn unpacked(file: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    let file = cache.unwrap_or_else(home).join("pxego-lab").join(file);
    assert!(file.exists(), "{} is missing; type: demo/setup.sh test", file.display());
    file
}

#[test]
fn pykickstart_reads_the_users_file_as_before_and_ours_with_it() {
    let mut cases = Vec::new();
    for (version, family, product, number) in RELEASES {
        for text in KICKSTARTS {
            let end = if version == "RHEL5" { "" } else { "%end\n" };
            let text = text.replace("END", end);
            // CR LF: the line end of `%end` too.
            let text = text.trim_end_matches('\n').to_owned();
            let dialect = Dialect::of(family, product, Some(number));
            let hooked = insert(text.as_bytes(), dialect, "http://192.168.100.1/hook/0123").expect("hooks");
            cases.push(serde_json::json!([version, text]));
            cases.push(serde_json::json!([version, String::from_utf8(hooked).unwrap()]));
        }
    }
    let mut judge = Command::new(unpacked("pykickstart/bin/python"));
    let judge = judge.args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut judge = judge.spawn().unwrap();
    let input = serde_json::Value::from(cases.clone()).to_string();
    judge.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = judge.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), cases.len());
    for (cases, said) in cases.chunks(2).zip(said.chunks(2)) {
        assert_eq!(said[0][0], said[1][0], "{cases:#?}");
        let (own, all) = (said[0][1].as_array().unwrap(), said[1][1].as_array().unwrap());
        assert_eq!(all.len(), own.len() + 4, "{}", cases[1][1].as_str().unwrap());
        // Types are numbers of pykickstart's: 0 %pre, 1 %post, 2 %traceback, 3 %pre-install, 4 %onerror.
        for script in own {
            assert!(all.contains(script), "{script}: {all:?}");
        }
        let last: Vec<i64> = all[all.len() - 3..].iter().map(|script| script[0].as_i64().unwrap()).collect();
        assert!(last[..2] == [0, 1] && matches!(last[2], 2 | 4), "{last:?}");
        // `%post --nochroot` alone has a curl for certain; and none of ours ends an install.
        let ours = all[all.len() - 3..].iter();
        assert!(ours.clone().all(|script| script[1] == false && script[2] == false), "{all:?}");
    }
}

/// A report as it came.
#[derive(Debug)]
struct Came {
    word: String,
    body: String,
}

/// A server that hears reports, and answers each with this status.
fn ear(status: &'static str) -> (u16, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, came) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Some(report) = hear(stream, status)
                && sender.send(report).is_err()
            {
                return;
            }
        }
    });
    (port, came)
}

fn hear(mut stream: TcpStream, status: &str) -> Option<Came> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let lower = head.to_ascii_lowercase();
    let len = lower.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    let word = head.split(' ').nth(1)?.strip_prefix("/hook/0123/")?.to_owned();
    Some(Came { word, body: String::from_utf8(body).ok()? })
}

/// The bodies of the sections of a kickstart, in their order.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line == "%end" {
            is_inside = false;
        } else if !is_inside && line.starts_with('%') && !line.starts_with("%include") {
            is_inside = true;
            sections.push((line.to_owned(), String::new()));
        } else if is_inside && let Some((_, body)) = sections.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    sections
}

/// Runs `script` with a shell, with a `/tmp` of its own below `place` and with only these programs beside the usual ones.
fn run(shell: &str, place: &Path, tools: &Path, script: &str) -> Output {
    run_as(Command::new("unshare"), shell, place, tools, script)
}

/// The same with an `unshare` of the caller's own, which may be somewhere else. Python 2 is in `/srv`, where `python` among
/// the tools finds it.
fn run_as(mut unshare: Command, shell: &str, place: &Path, tools: &Path, script: &str) -> Output {
    let tmp = place.join("tmp");
    std::fs::create_dir_all(&tmp).unwrap();
    std::fs::write(place.join("script"), script).unwrap();
    // The places are told apart from /tmp, which they may be in.
    let inside = format!(
        "mount --bind {} /srv && mount --bind {} /mnt && mount --bind {} /opt && mount --bind {} /tmp && \
         PATH=/mnt exec {shell} /opt/script",
        unpacked("python2/usr").display(),
        tools.display(),
        place.display(),
        tmp.display(),
    );
    unshare.args(["--mount", "bash", "-c", &inside]);
    // Until it and all it leaves behind have closed them: what the installer waits for.
    unshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

/// A directory with links to these programs, found on the usual path.
fn tools(place: &Path, names: &[&str]) -> PathBuf {
    let folder = place.join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    for name in names {
        if *name == PYTHON2 {
            std::os::unix::fs::symlink("/srv/bin/python2.7", folder.join("python")).unwrap();
            continue;
        }
        let (link, program) = name.split_once('=').unwrap_or((name, name));
        let found = ["/usr/bin", "/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(program));
        let found = found.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {program}"));
        let _ = std::fs::remove_file(folder.join(link));
        std::os::unix::fs::symlink(found, folder.join(link)).unwrap();
    }
    folder
}

/// Among the tools: the Python that EL5's and EL6's installers are written in, and have no curl beside.
const PYTHON2: &str = "python2";

const USUAL: [&str; 11] =
    ["cat", "sh=dash", "uname", "grep", "sed", "tail", "rm", "sleep", "ls", "timeout", "echo=busybox"];

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hooks-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.join("tmp")).unwrap();
    path
}

/// The user's file: disks chosen in `%pre`, a passphrase among them.
const USER: &str = "%include /tmp/part\n%pre\n%end\n";
const PART: &str =
    "# mine\nclearpart --all --drives=sda\npart / --size=1 --encrypted --passphrase=secret\nrootpw secret\n";

fn hooked(port: u16) -> Vec<(String, String)> {
    let url = format!("http://127.0.0.1:{port}/hook/0123");
    let dialect = Dialect::of("el8plus", "CentOS", Some("9"));
    let text = insert(USER.as_bytes(), dialect, &url).unwrap();
    sections(&String::from_utf8(text).unwrap())
}

/// All that a report can be sent with.
const CLIENTS: [&str; 4] = ["curl", "wget", "wget=busybox", PYTHON2];

#[test]
fn every_shell_and_every_client_reports() {
    let shells = ["bash", "dash", "busybox sh", "bash"];
    for (shell, client) in shells.into_iter().zip(CLIENTS) {
        let place = scratch(client);
        let all: Vec<&str> = USUAL.iter().copied().chain([client, "bash", "dash", "busybox"]).collect();
        let tools = tools(&place, &all);
        std::fs::write(place.join("tmp/part"), PART).unwrap();
        let log =
            "12:00 INF nothing\n12:01 ERR no space\nLocal variables in innermost frame:\nrootpw secret\n";
        std::fs::write(place.join("tmp/anaconda.log"), log).unwrap();
        let (port, came) = ear("200 OK");
        let mut words = Vec::new();
        for (header, body) in hooked(port) {
            let output = run(shell, &place, &tools, &body);
            assert!(output.status.success(), "{shell} {header}: {output:?}");
            assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{shell} {header}: {output:?}");
            let expected: &[&str] =
                match (header.as_str(), body.contains("packages"), body.contains("finished")) {
                    ("%pre", ..) if !body.is_empty() => &["started", "storage"],
                    ("%post --nochroot", true, _) => &["packages"],
                    ("%post --nochroot", _, true) => &["finished"],
                    ("%onerror", ..) => &["failed"],
                    _ => &[],
                };
            // The order of the file: `packages` stands before `%pre`, and says nothing then.
            let expected = if words.is_empty() && expected == ["packages"] { &[] } else { expected };
            for word in expected {
                let report = came.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{shell}: no {word}"));
                assert_eq!(report.word, *word, "{shell}");
                match *word {
                    "storage" => assert_eq!(
                        report.body,
                        "clearpart --all --drives=sda\npart / --size=1 --encrypted --pass...\n"
                    ),
                    "failed" => assert_eq!(
                        report.body,
                        "== /tmp/anaconda.log\n12:00 INF nothing\n12:01 ERR no space\n"
                    ),
                    _ => assert!(!report.body.contains("secret")),
                }
                words.push(report.word);
            }
        }
        assert_eq!(words, ["started", "storage", "finished", "failed"], "{shell}");
        // The hook is for root alone: its URL is a secret.
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(place.join("tmp/pxego-hook")).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "{shell}");
    }
}

/// A server that takes connections and says nothing: the installer goes on at once, and a script of ours ends with success
/// although nobody heard it.
#[test]
fn a_silent_server_holds_up_nothing() {
    let place = scratch("silent");
    let all: Vec<&str> = USUAL.iter().copied().chain(["curl", "bash", "dash"]).collect();
    let tools = tools(&place, &all);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, connected) = channel();
    std::thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            streams.push(stream);
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    let all = hooked(port);
    let (_, pre) = all.iter().find(|(header, body)| header == "%pre" && !body.is_empty()).unwrap();
    let output = run("bash", &place, &tools, pre);
    assert!(output.status.success(), "{output:?}");
    // Whoever waits for it meets all its tries.
    assert!(connected.try_iter().count() <= 1, "the section waited for its reports");
    connected.recv_timeout(DEADLINE).expect("it tries all the same");
}

/// Nobody there at all: the last section ends with success.
#[test]
fn without_a_server_the_install_ends_as_it_would() {
    let place = scratch("nobody");
    // Each report is tried four times, with pauses of seven seconds in all: they are not what is looked at.
    let usual = USUAL.iter().copied().filter(|name| *name != "sleep");
    let all: Vec<&str> = usual.chain(["sleep=true", "curl", "bash", "dash"]).collect();
    let tools = tools(&place, &all);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (header, body) in hooked(port) {
        let output = run("dash", &place, &tools, &body);
        assert!(output.status.success() && output.stderr.is_empty(), "{header}: {output:?}");
    }
}

/// A server that is busy: each client takes that for what it is, and the report is tried four times.
#[test]
fn a_report_that_is_not_taken_is_sent_again() {
    for client in CLIENTS {
        let place = scratch(&format!("busy-{client}"));
        let usual = USUAL.iter().copied().filter(|name| *name != "sleep");
        let all: Vec<&str> = usual.chain(["sleep=true", client, "bash", "dash"]).collect();
        let tools = tools(&place, &all);
        let (port, came) = ear("503 Service Unavailable");
        let hook = hooked(port).into_iter().find_map(|(header, body)| {
            (header == "%pre" && !body.is_empty())
                .then(|| body.replace("sh /tmp/pxego-hook started storage &", ""))
        });
        let script = hook.unwrap() + "sh /tmp/pxego-hook finished || :\n";
        let output = run("dash", &place, &tools, &script);
        assert!(output.status.success(), "{client}: {output:?}");
        for number in 1..=4 {
            let report = came.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{client}: no try {number}"));
            assert_eq!(report.word, "finished", "{client}");
        }
        assert!(came.try_recv().is_err(), "{client}: it goes on");
    }
}

/// EL5's installer has neither curl nor timeout(1), but Python 2: a whole install as the server hears it.
#[test]
fn an_installer_with_nothing_but_python_2_is_heard_by_the_server() {
    let (lan, files) = (Lan::new(), Scratch::new("hooks-python2"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let kickstart = files.write("ks.cfg", &format!("lang en_US\n{USER}"));
    let mut pxego = Pxego::start(&server, &files, &["--ks", &kickstart]);
    let mac: MacAddr = mac_of(&client, "eth0").parse().unwrap();
    let address = Machine::new(&client, mac.0).lease(|_| {}).message.yiaddr;
    client.ip(&format!("address add {address}/24 dev eth0"));
    let get = |url: &str| {
        let mut curl = client.command("curl");
        let output = netns::run(curl.args(["--silent", "--show-error", "--fail", "--max-time", "60", url]));
        String::from_utf8(output.stdout).unwrap()
    };
    let menu = get("http://192.168.100.1/boot.ipxe");
    let at = menu.find("inst.ks=").unwrap_or_else(|| panic!("no kickstart: {menu}"));
    let url = menu[at..].split_whitespace().next().unwrap().trim_start_matches("inst.ks=");
    let text = get(url);

    let place = scratch("python2-server");
    let usual = USUAL.iter().copied().filter(|name| *name != "timeout");
    let tools = tools(&place, &usual.chain([PYTHON2, "bash", "dash"]).collect::<Vec<_>>());
    std::fs::write(place.join("tmp/part"), PART).unwrap();
    std::fs::write(place.join("tmp/anaconda.log"), "12:01 ERR no space\n").unwrap();
    let all = sections(&text);
    let hook = all.iter().find(|(header, body)| header == "%pre" && !body.is_empty()).unwrap();
    let run = |script: &str| {
        let unshare = client.command("unshare");
        let output = run_as(unshare, "dash", &place, &tools, script);
        assert!(output.status.success() && output.stderr.is_empty(), "{script}: {output:?}");
    };
    // What people see is one line each, its secrets gone.
    let mut hears = |kind: &str, text: &str| {
        let event = pxego.wait_for(kind);
        assert_eq!(event["mac"], mac.to_string());
        assert!(dhcp_lab::text(&event).contains(text), "{event}");
    };
    run(&hook.1);
    hears("started", "");
    hears("storage", "clearpart --all --drives=sda; part / --size=1 --encrypted --pass...");
    for (word, kind, text) in
        [("packages", "installed", ""), ("finished", "finished", ""), ("failed", "failed", "no space")]
    {
        let own = all.iter().filter(|(_, body)| body.contains(&format!("pxego-hook {word} ")));
        own.for_each(|(_, body)| run(body));
        hears(kind, text);
    }
    pxego.stop();
}
