//! `pxego ks` as people type it, and what a start makes of the kickstart it is given. Needs root, and what
//! `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/pykickstart.rs"]
mod pykickstart;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::process::{Command, Output};

use lab::{image, scratch};
use netns::Bench;
use serde_json::Value;

fn pxego(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pxego")).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_printed_passes_ksvalidator_itself() {
    let scratch = scratch("kickstart_cli_print");
    let validator = pykickstart::python().with_file_name("ksvalidator");
    for (release, version) in [("EL5", "RHEL5"), ("EL7", "RHEL7"), ("EL10", "RHEL10"), ("F44", "F44")] {
        let output =
            pxego(&["ks", "--release", release, "--wipe", "blank", "--user", "ann:admin", "--hostname=n1"]);
        assert!(output.status.success(), "{}", err(&output));
        let file = scratch.join(format!("{release}.cfg"));
        fs::write(&file, &output.stdout).unwrap();
        // It forgets the copy that it makes.
        let mut judge = Command::new(&validator);
        let judge = judge.args(["-v", version]).arg(&file).env("TMPDIR", &scratch).output().unwrap();
        assert!(judge.status.success(), "{release}: {}{}", out(&judge), out(&output));

        // The passwords are on the terminal once, and their hashes in the file.
        let shown = err(&output);
        let passwords: Vec<&str> =
            shown.lines().filter_map(|line| line.split_once("shown this once: ")).map(|(_, it)| it).collect();
        assert_eq!(passwords.len(), 2, "{shown}");
        let text = out(&output);
        for password in passwords {
            assert!(!text.contains(password));
            let fits = text.split(['=', ' ', '\n']).filter(|word| word.starts_with("$6$")).any(|hash| {
                let script = "print crypt($ARGV[0], $ARGV[1])";
                let mut crypt = Command::new("perl");
                crypt.args(["-e", script, password, hash]);
                out(&crypt.output().unwrap()) == hash
            });
            assert!(fits, "{password} logs nobody in");
        }
    }
    // A second run makes other ones.
    let again = || out(&pxego(&["ks", "--release", "EL9"]));
    assert_ne!(again(), again());
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn without_a_rule_nothing_is_erased() {
    let output = pxego(&["ks", "--release", "EL9", "--root-password", "locked"]);
    let text = out(&output);
    assert!(err(&output).contains("the installer will ask which disk"), "{}", err(&output));
    for command in ["clearpart", "zerombr", "autopart", "ignoredisk", "%include", "%pre"] {
        assert!(!text.contains(command), "{text}");
    }
    assert!(text.contains("\ntext\n") && text.contains("rootpw --lock\n"), "{text}");
}

#[test]
fn a_profile_is_read_and_options_replace_it() {
    let whole = pykickstart::script("whole.toml");
    let output = pxego(&[
        "ks",
        "--release",
        "EL9",
        "--profile",
        whole.to_str().unwrap(),
        "--hostname",
        "other",
        "--end=wait",
    ]);
    let text = out(&output);
    assert!(output.status.success(), "{}", err(&output));
    for line in [
        "lang de_AT.UTF-8",
        "network --bootproto=static --ip=10.0.0.5 --netmask=255.255.255.0 --device=eth0 --gateway=10.0.0.1 \
         --nameserver=10.0.0.1,10.0.0.2 --mtu=9000 --onboot=on --activate --hostname=other",
        "timesource --ntp-server=0.pool.ntp.org",
        "user --name=admin --groups=wheel --gecos=\"Jürgen \\\"J\\\" Müller\" --iscrypted --password=$6$",
        "firewall --enabled --service=ssh,http --port=8080:tcp",
        "repo --name=extras --baseurl=http://mirror.example.org/extras/",
        "-plymouth*",
        "autopart --type=plain --nohome --noswap --encrypted --passphrase=\"correct horse \\\"battery\\\" staple\"",
        "%post --nochroot --interpreter=/bin/bash",
    ] {
        assert!(text.lines().any(|other| other.starts_with(line)), "no {line} in:\n{text}");
    }
    assert!(!text.lines().any(|line| line == "poweroff" || line == "reboot"), "{text}");
}

#[test]
fn wrong_use_says_what_to_type() {
    let scratch = scratch("kickstart_cli_wrong");
    let bad = scratch.join("bad.toml");
    fs::write(&bad, "lang = 'x'\nroot = 'secret'\n").unwrap();
    for (arguments, said) in [
        (vec!["ks"], "--release EL9"),
        (vec!["ks", "--release", "EL4"], "EL5 to EL10"),
        (vec!["ks", "--release", "EL9", "--wipe", "sda;reboot"], "--wipe"),
        (vec!["ks", "--release", "EL9", "--profile", bad.to_str().unwrap()], "bad.toml, line 2: "),
        (vec!["ks", "--release", "EL6", "--ntp", "a"], "EL6 has no command for time servers"),
        (vec!["ks", "--release", "EL9", "--json"], "--check"),
        (vec!["ks", "--check", "/nonexistent/ks.cfg"], "with \"ls -l /\""),
        (vec!["ks", "--check", "/dev"], "--check /dev/FILE"),
        (vec!["ks", "--wipee", "x"], "pxego ks --help"),
        (vec!["--iso", "x", "--ks", "y", "--wipe", "blank"], "leave one of them out"),
    ] {
        let output = pxego(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(said) && output.stdout.is_empty(), "{arguments:?}: {}", err(&output));
    }
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_check_names_line_column_and_what_to_write() {
    let scratch = scratch("kickstart_cli_check");
    let check = |text: &[u8], arguments: &[&str]| {
        let file = scratch.join("ks.cfg");
        fs::write(&file, text).unwrap();
        let mut all = vec!["ks", "--check", file.to_str().unwrap()];
        all.extend(arguments);
        pxego(&all)
    };
    let old: &[u8] = b"install\nlang en_US\nauth --enableshadow\ntimezone --isUtc Etc/UTC\nrootpw secret\n\
                       clearpart --all\n%packages\n@core\n%end\n";
    let output = check(old, &["--release", "EL10"]);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "ks.cfg:1:1: error: EL10 has no install any more; leave it out",
        "ks.cfg:3:1: error: EL10 has no auth any more; leave it out, or write authselect",
        "ks.cfg:4:10: error: timezone of EL10 has no option --isUtc; write --utc",
        "ks.cfg:5:8: advice: the password of rootpw can be read",
        "ks.cfg:6:1: advice: this erases every disk",
        "ks.cfg: written for EL7; 3 lines stop EL10",
    ] {
        assert!(out(&output).contains(part), "no {part:?} in:\n{}", out(&output));
    }
    // Without a release the one that fits best is told.
    let output = check(old, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).contains("for EL7 (the release that it fits best"), "{}", out(&output));

    let output = check(old, &["--release", "EL10", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["release"], &report["errors"]), (&"EL10".into(), &3.into()));
    let findings = report["findings"].as_array().unwrap();
    let auth = findings.iter().find(|finding| finding["line"] == 3).unwrap();
    assert_eq!((&auth["code"], &auth["column"]), (&"removed-command".into(), &1.into()));
    assert_eq!(auth["instead"], "leave it out, or write authselect");

    for (text, said) in [
        (&b"\xef\xbb\xbflang en_US\n"[..], ":1:1: error: the file begins with a byte order mark"),
        (b"lang en_US\n# M\xfcller\n", ":2:4: error: a letter is not UTF-8"),
        (b"lang en_US\n%packages\n@core\n", ":2:1: error: the section %packages of line 2 has no %end"),
        (b"lang {{ lang }}\n", ":1:1: error: this is a template of Jinja"),
        (b"vmaccepteula\nrootpw x\n", "kickstart of VMware ESXi"),
        (b"rootpw --disabled\n", "kickstart of Ubuntu"),
        (b"keybord us\n", "there is no command keybord; write keyboard"),
        (b"\x1b[2Jx\n", "there is no command \\u{1b}[2Jx"),
    ] {
        let output = check(text, &["--release", "EL9"]);
        assert_eq!(output.status.code(), Some(1), "{}", out(&output));
        assert!(out(&output).contains(said), "no {said:?} in:\n{}", out(&output));
    }
    let output = check(&vec![b'x'; 2 << 20], &["--release", "EL9"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_template_is_checked_as_it_stands_and_as_each_machine_gets_it() {
    let scratch = scratch("kickstart_cli_template");
    let (file, list) = (scratch.join("ks.cfg.j2"), scratch.join("list.csv"));
    let (shown, machines) = (file.to_str().unwrap(), list.to_str().unwrap());
    let rows = "mac,name,disk,ks\n52:54:00:00:00:01,node01,sda,\n52:54:00:00:00:02,node02,a b,\n\
                52:54:00:00:00:03,node03,sdc,\n52:54:00:00:00:04,node04,sdd,other.cfg\n";
    fs::write(&list, rows).unwrap();
    let check = |text: &str, arguments: &[&str]| {
        fs::write(&file, text).unwrap();
        pxego(&[&["ks", "--check", shown], arguments].concat())
    };
    // Its own commands.
    let output = check("lang en_US\n{% if %}\n", &["--release", "EL9"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(out(&output).contains("ks.cfg.j2:2:1: error: syntax error"), "{}", out(&output));

    let template = "{# The bench's. #}\n{% set site = 'x' %}\nlang en_US\n\
                    {% if name != 'node03' %}\nnetwrk --hostname={{ name }}\n{% endif %}\n\
                    ignoredisk --only-use={{ disk }}\ntimezone {{ 'Etc/UTC' }} --isUtc\n";
    let output = check(template, &["--release", "EL9", "--machines", machines]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", err(&output));
    for part in [
        ":5:1: error: there is no command netwrk (for node01); write network",
        ":7:1: error: \"a b\" has ' ' in it",
        "in a script (and no quotes around either), or {{ ... | safe }} if it is meant to (for node02)",
        ":4:1: advice: a variable that this machine does not have: name (for a machine in no list)",
        ":8:26: deprecated: --isUtc has no effect any more in EL9, and stops a later one; write --utc",
        "filled in for 4 machines\n",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let output = check(template, &["--release", "EL9", "--machines", machines, "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["machines"], serde_json::json!(["node01", "node02", "node03", "a machine in no list"]));
    let findings = report["findings"].as_array().unwrap();
    let of_line = |line: u64| findings.iter().find(|finding| finding["line"] == line).unwrap();
    assert_eq!(of_line(5)["machines"], serde_json::json!(["node01"]), "{report:#}");
    assert_eq!(of_line(5)["message"], "there is no command netwrk");
    assert_eq!(of_line(7)["code"], "no-kickstart");

    // Those whose row names it are the only ones.
    fs::write(&list, rows.replace("sda,", "sda,ks.cfg.j2")).unwrap();
    let output = check(template, &["--release", "EL9", "--machines", machines]);
    assert!(out(&output).ends_with("filled in for a machine\n"), "{}", out(&output));

    // With the image's own facts; and without a list for whoever comes.
    let image = image("el9");
    let good = "lang en_US\n# {{ image.url }}\nnetwork --hostname={{ name }}\n# {{ image.version }}\n\
                %packages\n{{ 'libstdc+++' }}\n%end\n";
    let output = check(good, &["--iso", image.to_str().unwrap(), "--name", "node{:02}"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", err(&output));
    assert!(text.contains("ks.cfg.j2:6:1: error: the image has no package libstdc+++"), "{text}");
    let output = check(&good.replace("+++", "++"), &["--name", "node{:02}"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));

    fs::write(scratch.join("plain.cfg"), "lang en_US\n").unwrap();
    let output =
        pxego(&["ks", "--check", scratch.join("plain.cfg").to_str().unwrap(), "--machines", machines]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("(*.j2)"), "{}", err(&output));
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn packages_are_compared_with_the_image() {
    let scratch = scratch("kickstart_cli_image");
    let image = image("el9");
    let image = image.to_str().unwrap();
    let file = scratch.join("ks.cfg");
    fs::write(&file, "lang en_US\n%packages\nlibstdc++\nlibstdc+++\nlibst*\nnosuchthing\n-gone\n%end\n")
        .unwrap();
    let output = pxego(&["ks", "--check", file.to_str().unwrap(), "--iso", image]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("ks.cfg:4:1: error: the image has no package libstdc+++; write libstdc++"),
        "{text}"
    );
    assert!(text.contains("ks.cfg:6:1: error: the image has no package nosuchthing"), "{text}");
    assert!(text.contains("2 errors") && text.contains("for EL9"), "{text}");
    // What is to be written is refused likewise.
    let output = pxego(&["ks", "--iso", image, "--package", "libstdc+++"]);
    assert_eq!((output.status.code(), out(&output)), (Some(3), String::new()));
    assert!(err(&output).contains("write libstdc++"), "{}", err(&output));
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_kickstart_with_errors_stops_the_start_unless_it_is_forced() {
    let (bench, scratch) = (Bench::new(), scratch("kickstart_cli_start"));
    let image = image("el9");
    let kickstart = scratch.join("ks.cfg");
    fs::write(&kickstart, "lang en_US\nauth --enableshadow\ninstall\n").unwrap();
    let (iso, ks) = (image.to_str().unwrap(), kickstart.to_str().unwrap());
    let state = scratch.join("state");
    let mut arguments = vec!["--iface", "eth0", "--iso", iso, "--ks", ks, "--state", state.to_str().unwrap()];
    let refused = bench.server.command(env!("CARGO_BIN_EXE_pxego")).args(&arguments).output().unwrap();
    let text = err(&refused);
    assert_eq!(refused.status.code(), Some(3), "{text}");
    for part in [
        "ks.cfg:3:1: error: EL9 has no install any more; leave it out",
        "1 error,",
        &format!("pxego ks --check {ks} --iso {iso}"),
        "--force",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    arguments.drain(..2);
    arguments.push("--force");
    let pxego = lab::Pxego::start(&bench.server, &arguments);
    let events = pxego.stop();
    let advice: Vec<&str> =
        events.iter().filter(|it| it["event"] == "advice").filter_map(|it| it["text"].as_str()).collect();
    let command = format!("all of it: pxego ks --check {ks} --iso {iso}");
    assert!(
        advice.len() == 4 && advice[0].contains("ks.cfg: advice: the installer will ask for"),
        "{advice:#?}"
    );
    assert!(advice[3].contains("1 deprecated and ") && advice[3].ends_with(&command), "{advice:#?}");
    let is_told =
        |event: &Value| event["text"].as_str().is_some_and(|text| text.contains("because of --force"));
    assert!(events.iter().any(is_told), "{events:#?}");
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn what_leads_elsewhere_or_ends_the_installer_is_told_where_it_stands() {
    let scratch = scratch("kickstart_cli_advice");
    let image = image("el9");
    let image = image.to_str().unwrap();
    let file = scratch.join("ks.cfg");
    let text = "lang en_US\nurl --url=http://10.0.0.1/el9\nrepo --name=x --baseurl=http://10.9.8.1/x\ncdrom\n\
                %post\ncat >/root/x <<EOF\nreboot\nEOF\nsync; /sbin/reboot\n%end\n";
    fs::write(&file, text).unwrap();
    let check = |more: &[&str]| {
        let given = ["ks", "--check", file.to_str().unwrap(), "--json"];
        let output = pxego(&[&given, more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let find = |line: u64| findings.iter().find(|it| it["line"] == line).cloned().unwrap_or_default();
        (find(2), find(3), find(4), find(9))
    };
    let (url, repo, cdrom, reboot) = check(&["--iso", image, "--address", "10.9.8.1/24"]);
    assert_eq!((&url["code"], &url["column"]), (&"source".into(), &5.into()), "{url}");
    assert!(
        url["instead"].as_str().unwrap().starts_with("write url --url=http://10.9.8.1/t/el9, or leave"),
        "{url}"
    );
    assert_eq!(repo, Value::Null, "that is the server itself");
    assert!(cdrom["instead"].as_str().unwrap().contains("http://10.9.8.1/t/el9"), "{cdrom}");
    assert_eq!((&reboot["code"], &reboot["column"]), (&"hides-the-end".into(), &7.into()), "{reboot}");
    let (url, repo, ..) = check(&["--release", "EL9"]);
    assert!(url["instead"].as_str().unwrap().starts_with("leave the line out"), "{url}");
    assert_eq!(repo["code"], "source", "of another server");
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn what_one_machine_would_get_is_shown() {
    let scratch = scratch("kickstart_cli_for");
    let image = image("el9");
    let image = image.to_str().unwrap();
    let (list, template) = (scratch.join("list.csv"), scratch.join("ks.cfg.j2"));
    fs::write(&list, "mac;name;disk\n52-54-00-00-00-01;node01;sda\n525400000002;node02;nvme0n1\n").unwrap();
    fs::write(&template, "network --hostname={{ name }}\nignoredisk --only-use={{ disk }}\n").unwrap();
    let shown = |mac, more: &[&str]| {
        let (list, template) = (list.to_str().unwrap(), template.to_str().unwrap());
        let given = ["ks", "--for", mac, "--iso", image, "--ks", template, "--machines", list];
        pxego(&[&given, more].concat())
    };
    let output = shown("52:54:00:00:00:02", &["--no-hooks", "--address", "10.9.8.1/24"]);
    let expected =
        "url --url=http://10.9.8.1/t/el9\nnetwork --hostname=node02\nignoredisk --only-use=nvme0n1\n";
    assert_eq!((output.status.code(), &*out(&output)), (Some(0), expected), "{}", err(&output));
    let with_hooks = out(&shown("52:54:00:00:00:01", &[]));
    assert!(with_hooks.contains("--hostname=node01\n") && with_hooks.contains("/hook/0000"), "{with_hooks}");
    // One that is not listed has no disk.
    let output = shown("52:54:00:00:00:03", &[]);
    assert_eq!((output.status.code(), out(&output)), (Some(3), String::new()));
    assert!(err(&output).contains("52:54:00:00:00:03 gets no kickstart"), "{}", err(&output));
    // A password is made, and shown, where somebody gets it.
    for (layout, count) in [("el9", 1), ("coreos", 0)] {
        let iso = lab::image(layout);
        let given = ["ks", "--for", "52:54:00:00:00:01", "--wipe", "all", "--iso", iso.to_str().unwrap()];
        let told = err(&pxego(&given));
        assert_eq!(told.matches("shown this once").count(), count, "{layout}: {told}");
    }
    for arguments in [vec!["ks", "--for", "x", "--iso", image], vec!["ks", "--iso", image, "--no-hooks"]] {
        assert_eq!(pxego(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    fs::remove_dir_all(scratch).unwrap();
}
