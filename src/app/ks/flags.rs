//! The profile that the options of `pxego ks` describe, over the one that a file holds.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::answer::Profile;
use crate::answer::profile::{Addressing, Body, Name, Network, Password, Port, Repo, Script, SshKey};
use crate::answer::profile::{Text, User, When};
use crate::app::machines;
use crate::app::prepare::cannot_open;
use crate::cli::KsOptions;

/// Most bytes of a file that goes into a profile.
const MAX_FILE: usize = 1 << 20;

/// Reads a file that is named on the command line.
pub(super) fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    let read = machines::read(path, MAX_FILE);
    read.map_err(|error| cannot_open(&format!("{option} "), path, &error).text().to_owned())
}

/// The profile of a file; the default without one.
pub(in crate::app) fn of_file(path: Option<&Path>) -> Result<Profile, String> {
    let Some(path) = path else { return Ok(Profile::default()) };
    let text = read("--profile", path)?;
    Profile::from_toml(&text).map_err(|error| format!("{}, {error}", path.display()))
}

/// The value of an option, as the type that the profile has.
fn value<T: std::str::FromStr<Err = String>>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{option}: {error}"))
}

/// Puts what the options say into the profile.
pub(super) fn apply(profile: &mut Profile, options: &KsOptions) -> Result<(), String> {
    place(profile, options)?;
    accounts(profile, options)?;
    system(profile, options)?;
    disk(profile, options)?;
    for path in &options.post {
        let text = String::from_utf8(read("--post", path)?)
            .map_err(|_| format!("--post {}: it is not UTF-8", path.display()))?;
        let body = Body::try_from(text).map_err(|error| format!("--post {}: {error}", path.display()))?;
        profile.scripts.push(Script { when: When::Post, interpreter: None, body });
    }
    Ok(())
}

fn place(profile: &mut Profile, options: &KsOptions) -> Result<(), String> {
    if let Some(text) = &options.lang {
        profile.lang = value("--lang", text)?;
    }
    if let Some(text) = &options.keyboard {
        profile.keyboard = value("--keyboard", text)?;
    }
    if let Some(text) = &options.timezone {
        profile.timezone = value("--timezone", text)?;
    }
    if let Some(text) = &options.hostname {
        profile.hostname = Some(value("--hostname", text)?);
    }
    for text in &options.ntp {
        profile.ntp.push(value("--ntp", text)?);
    }
    if !options.network.is_empty() {
        profile.network = options.network.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
    }
    Ok(())
}

/// `device=eth0,address=10.0.0.5/24,…`; lists have `+` between their parts.
fn network(text: &str) -> Result<Network, String> {
    let mut network = Network::default();
    for part in text.split(',') {
        let (key, text) = match part.split_once('=') {
            Some(pair) => pair,
            None => ("address", part),
        };
        let wrong = |what: &str| format!("--network: {text} is no {what}");
        let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| wrong("address"));
        match key {
            "device" => network.device = Some(value("--network", text)?),
            "address" => {
                network.address =
                    Addressing::try_from(text.to_owned()).map_err(|error| format!("--network: {error}"))?;
            }
            "gateway" => network.gateway = Some(address(text)?),
            "dns" => network.dns = text.split('+').map(address).collect::<Result<_, _>>()?,
            "bond" => {
                network.bond =
                    text.split('+').map(|text| value("--network", text)).collect::<Result<_, _>>()?;
            }
            "vlan" => network.vlan = Some(text.parse().map_err(|_| wrong("number of a VLAN"))?),
            "mtu" => network.mtu = Some(text.parse().map_err(|_| wrong("number of bytes"))?),
            _ => {
                return Err(format!(
                    "--network: an interface has no {key}; write device, address, gateway, dns, bond, vlan or mtu"
                ));
            }
        }
    }
    Ok(network)
}

/// A hash comes from a file: what stands on a command line, everybody on this computer can read (`ps`).
fn root_password(text: &str) -> Result<Password, String> {
    const OPTION: &str = "--root-password";
    if text.starts_with('$') {
        return Err(format!(
            "{OPTION}: everybody on this computer can read a command line. Put the hash into a file (mkpasswd -m \
             sha512crypt >root.hash), and give that: {OPTION} root.hash"
        ));
    }
    if ["random", "prompt", "ask", "locked"].contains(&text) {
        return value(OPTION, text);
    }
    let bytes = read(OPTION, Path::new(text)).map_err(|error| {
        format!("{error}. It is random, prompt, ask, locked, or a file whose first line is a hash")
    })?;
    value(OPTION, first_line(OPTION, Path::new(text), &bytes)?)
}

/// The first line of a file that has a secret in it.
fn first_line<'b>(option: &str, path: &Path, bytes: &'b [u8]) -> Result<&'b str, String> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let line =
        std::str::from_utf8(line).map_err(|_| format!("{option} {}: it is not UTF-8", path.display()))?;
    if line.is_empty() {
        return Err(format!("{option} {}: the first line is empty", path.display()));
    }
    Ok(line)
}

fn accounts(profile: &mut Profile, options: &KsOptions) -> Result<(), String> {
    if let Some(text) = &options.root_password {
        profile.root = root_password(text)?;
    }
    for text in &options.user {
        let (name, admin) = match text.split_once(':') {
            Some((name, "admin")) => (name, true),
            Some((_, other)) => {
                return Err(format!("--user: {other} is nothing that a user is; write admin"));
            }
            None => (text.as_str(), false),
        };
        profile.users.push(User {
            name: value("--user", name)?,
            password: Password::Random,
            admin,
            groups: Vec::new(),
            comment: None,
            ssh_keys: Vec::new(),
        });
    }
    for path in &options.ssh_key {
        let keys = keys(path)?;
        if profile.users.is_empty() {
            profile.ssh_keys.extend(keys);
        } else {
            profile.users.iter_mut().for_each(|user| user.ssh_keys.extend(keys.iter().cloned()));
        }
    }
    Ok(())
}

/// The keys of a `.pub` or `authorized_keys` file.
fn keys(path: &Path) -> Result<Vec<SshKey>, String> {
    let text = read("--ssh-key", path)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<SshKey>, String> =
        lines.map(|line| value(&format!("--ssh-key {}", path.display()), line)).collect();
    match keys {
        Ok(keys) if keys.is_empty() => Err(format!("--ssh-key {}: there is no key in it", path.display())),
        keys => keys,
    }
}

fn system(profile: &mut Profile, options: &KsOptions) -> Result<(), String> {
    if let Some(text) = &options.selinux {
        profile.selinux = value("--selinux", text)?;
    }
    if let Some(text) = &options.firewall {
        let firewall = &mut profile.firewall;
        firewall.enabled = text != "off";
        let parts: Vec<&str> = text.split(',').filter(|part| firewall.enabled && !part.is_empty()).collect();
        let (ports, services): (Vec<&str>, Vec<&str>) =
            parts.into_iter().partition(|part| part.contains(':'));
        firewall.ports =
            ports.into_iter().map(|text| value::<Port>("--firewall", text)).collect::<Result<_, _>>()?;
        firewall.services =
            services.into_iter().map(|text| value::<Name>("--firewall", text)).collect::<Result<_, _>>()?;
    }
    let packages = &mut profile.packages;
    if let Some(text) = &options.environment {
        packages.environment = Some(value("--environment", text)?);
    }
    for text in &options.group {
        packages.groups.push(value("--group", text)?);
    }
    for text in &options.package {
        packages.install.push(value("--package", text)?);
    }
    for text in &options.exclude {
        packages.exclude.push(value("--exclude", text)?);
    }
    for text in &options.enable {
        profile.services.enabled.push(value("--enable", text)?);
    }
    for text in &options.disable {
        profile.services.disabled.push(value("--disable", text)?);
    }
    for text in &options.repo {
        let (name, url) =
            text.split_once('=').ok_or_else(|| format!("--repo {text}: write it as name=url"))?;
        profile.repos.push(Repo { name: value("--repo", name)?, url: value("--repo", url)? });
    }
    if let Some(text) = &options.append {
        profile.append = Some(value("--append", text)?);
    }
    if let Some(text) = &options.mode {
        profile.mode = value("--mode", text)?;
    }
    if let Some(text) = &options.end {
        profile.end = value("--end", text)?;
    }
    Ok(())
}

fn disk(profile: &mut Profile, options: &KsOptions) -> Result<(), String> {
    if let Some(text) = &options.wipe {
        profile.disk.wipe = Some(value("--wipe", text)?);
    }
    if let Some(text) = &options.layout {
        profile.disk.layout = value("--layout", text)?;
    }
    match &options.encrypt {
        None => {}
        Some(path) if path.as_os_str() == "ask" => {
            profile.disk.encrypt = Some(value::<Text>("--encrypt", "")?)
        }
        Some(path) => {
            let text = read("--encrypt", path)?;
            profile.disk.encrypt = Some(value::<Text>("--encrypt", first_line("--encrypt", path, &text)?)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut KsOptions)) -> Result<Profile, String> {
        let mut options = KsOptions::default();
        change(&mut options);
        let mut profile = Profile::default();
        apply(&mut profile, &options).map(|()| profile)
    }

    #[test]
    fn options_make_a_profile() {
        let profile = with(|options| {
            options.network =
                vec!["device=eth0,address=10.0.0.5/24,dns=10.0.0.1+10.0.0.2".into(), "bond=a+b".into()];
            options.user = vec!["ann:admin".into(), "ben".into()];
            options.firewall = Some("ssh,8080:tcp".into());
            options.mode = Some("remote".into());
            options.wipe = Some("size>=100G,smallest".into());
        })
        .expect("it is right");
        assert_eq!((profile.network[0].dns.len(), profile.network[1].bond.len()), (2, 2));
        assert!(profile.users[0].admin && !profile.users[1].admin);
        assert_eq!((profile.firewall.services.len(), profile.firewall.ports.len()), (1, 1));
        assert!(profile.disk.wipe.is_some());
    }

    #[test]
    fn faults_name_the_option() {
        for (change, named) in [
            ((|options| options.lang = Some("-x".into())) as fn(&mut KsOptions), "--lang"),
            (|options| options.network = vec!["colour=blue".into()], "--network"),
            (|options| options.network = vec!["10.0.0.5".into()], "--network"),
            (|options| options.root_password = Some("/nonexistent/secret".into()), "first line is a hash"),
            (|options| options.root_password = Some("$6$salt$hash".into()), "everybody"),
            (|options| options.root_password = Some("/etc/hostname".into()), "in the open"),
            (|options| options.user = vec!["ann:queen".into()], "--user"),
            (|options| options.mode = Some("big".into()), "write one of"),
            (|options| options.wipe = Some("sda;reboot".into()), "--wipe"),
            (|options| options.repo = vec!["a".into()], "name=url"),
            (|options| options.ssh_key = vec!["/nonexistent/key".into()], "ls -l"),
        ] {
            let error = with(change).expect_err(named);
            assert!(error.contains(named), "{error}");
        }
    }
}
