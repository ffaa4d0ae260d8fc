//! What the user typed. What it means is decided in `config`.
//!
//! `argh` reads the words; the shim in [`words`] makes it read them as every other program does (`--opt=value`, `-h`,
//! `-V`, `-vv`, `-ieth0` and paths that are not UTF-8).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use argh::FromArgs;

/// What help begins with. argh runs such a text together into one line, so only what follows is argh's.
const HELP_HEAD: &str = "\
Usage: pxego --iface NAME --iso FILE [--ks FILE] [OPTION ...]

Network-boot server in one file: installs machines from an unmodified
install image. Plug the machines and this computer into one switch, or one
cable, and type
  sudo pxego --iface eth0 --iso CentOS.iso --ks ks.cfg
then switch the machines on and let them boot from the network.

";

/// Network-boot server in one file.
#[derive(FromArgs, Debug, Default, PartialEq)]
#[argh(
    help_triggers("-h", "--help"),
    note = "Without an address of its own the interface gets 192.168.100.1/24 while\n\
            pxego runs. Ctrl-C stops it and takes back what it changed.",
    example = "A bench of machines, unattended:\n  sudo {command_name} --iface eth0 --iso Rocky-9.6-x86_64-dvd.iso --ks ks.cfg",
    example = "The installer asks its questions (no kickstart), on another network:\n  sudo {command_name} --iface eth0 --iso CentOS.iso --address 10.9.8.1/24",
    error_code(2, "wrong use: what was typed cannot be understood"),
    error_code(3, "refused to start: the message names the cause and the next command")
)]
pub struct Options {
    /// the network interface the machines are on; without it the candidates are listed
    #[argh(option, short = 'i', arg_name = "name")]
    pub iface: Option<String>,

    /// the install image (CentOS, RHEL, Rocky, Alma, Oracle 5 to 10, Fedora); read in place, never mounted
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub iso: Option<PathBuf>,

    /// the kickstart every machine gets; without it the installer asks
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub ks: Option<PathBuf>,

    /// our address and its prefix length, such as 192.168.100.1/24; default: the interface's own
    #[argh(option, arg_name = "cidr")]
    pub address: Option<String>,

    /// the addresses to give, such as 192.168.100.100-192.168.100.200 or 100-200
    #[argh(option, arg_name = "a-b")]
    pub range: Option<String>,

    /// what we are beside other DHCP servers: auto (default: give addresses only where nobody else does), full, proxy or off
    #[argh(option, arg_name = "part")]
    pub dhcp: Option<String>,

    /// with --dhcp full: give addresses although another DHCP server does
    #[argh(switch)]
    pub force: bool,

    /// hold back offers beside another DHCP server's, in milliseconds, up to 1000; for firmware that takes the first one
    #[argh(option, arg_name = "ms")]
    pub reply_delay: Option<String>,

    /// keep an address for one machine, such as 52:54:00:12:34:56=192.168.100.20; may be repeated
    #[argh(option, arg_name = "mac=ip")]
    pub reserve: Vec<String>,

    /// a network behind a DHCP relay, such as 10.20.0.0/24=10.20.0.50-10.20.0.99; may be repeated
    #[argh(option, arg_name = "net=a-b")]
    pub relayed: Vec<String>,

    /// the port of the HTTP server; default: 80
    #[argh(option, arg_name = "port")]
    pub http_port: Option<String>,

    /// send all files by TFTP from port 69, for a firewall between that lets
    /// nothing else through
    #[argh(switch)]
    pub tftp_single_port: bool,

    /// the number after TFTP block 65535: 0 (default), or 1 for a few old
    /// clients
    #[argh(option, arg_name = "0|1")]
    pub tftp_rollover: Option<String>,

    /// where leases are kept between runs; default: /var/lib/pxego
    #[argh(option, arg_name = "dir", from_str_fn(path))]
    pub state: Option<PathBuf>,

    /// how events are written: text (default) or json, one object a line
    #[argh(option, arg_name = "form")]
    pub log: Option<String>,

    /// say more: every request (-v), every packet (-vv)
    #[argh(switch, short = 'v')]
    pub verbose: i32,

    /// print the version, the loaders built in, and the licences
    #[argh(switch, short = 'V')]
    pub version: bool,
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Serve: the main job.
    Serve(Box<Options>),
    /// Print this text and end with success.
    Print(String),
    /// Print the version and end with success.
    Version,
}

/// The command line cannot be understood. Holds the text for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(pub String);

/// Reads the arguments, the program's own name left out.
///
/// # Errors
/// A text with the cause and what to type instead.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let words = words(arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Options::from_args(&["pxego"], &words) {
        Ok(options) if options.version => Ok(Command::Version),
        Ok(options) => Ok(Command::Serve(Box::new(options))),
        Err(exit) if exit.status.is_ok() => Ok(Command::Print(help(&exit.output))),
        Err(exit) => Err(UsageError(explain(&exit.output, &words))),
    }
}

/// The whole help from argh's part of it.
fn help(generated: &str) -> String {
    let options = generated.find("Options:").map_or(generated, |at| &generated[at..]);
    format!("{HELP_HEAD}{options}")
}

/// argh's complaint, with the next thing to type.
fn explain(complaint: &str, words: &[&str]) -> String {
    let complaint = complaint.split("\n\n").next().unwrap_or(complaint).trim();
    let hint = match words.first() {
        Some(word) if !word.starts_with('-') && *word != "help" => {
            "There are no subcommands yet; every option begins with --.\n"
        }
        _ => "",
    };
    format!("{complaint}\n{hint}Type \"pxego --help\" for the options.")
}

/// The words as argh reads them: one option or value each.
fn words(arguments: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let mut words = Vec::new();
    let mut arguments = arguments.into_iter().map(|argument| escape(&argument));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--" => {
                words.push(argument);
                words.extend(arguments);
                break;
            }
            long if long.starts_with("--") => match long.split_once('=') {
                Some((name, value)) => words.extend([name.to_owned(), value.to_owned()]),
                None => words.push(argument),
            },
            short if short.starts_with('-') && short.chars().nth(2).is_some() => {
                let (name, rest) = short.split_at(2);
                if rest.chars().all(|c| c == 'v') && name == "-v" {
                    words.extend(std::iter::repeat_n("-v".to_owned(), rest.len() + 1));
                } else {
                    words.extend([name.to_owned(), rest.trim_start_matches('=').to_owned()]);
                }
            }
            _ => words.push(argument),
        }
    }
    words
}

/// First of the 128 code points that stand for bytes that are not UTF-8: the end of a private use plane, which no file
/// name has.
const ESCAPE: u32 = 0x10_FF00;

/// `argument` as text; a byte that is not UTF-8 becomes one code point, which [`path`] turns back.
fn escape(argument: &OsStr) -> String {
    let mut text = String::new();
    for chunk in argument.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(ESCAPE + u32::from(byte))));
    }
    text
}

/// The path that [`escape`] was given.
fn path(text: &str) -> Result<PathBuf, String> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u32::from(c).checked_sub(ESCAPE).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if bytes.is_empty() {
        return Err("is empty; give a path".into());
    }
    Ok(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Options {
        match parse(arguments.iter().map(OsString::from)) {
            Ok(Command::Serve(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_common_spelling_is_read() {
        let expected = Options {
            iface: Some("eth0".into()),
            iso: Some("C.iso".into()),
            http_port: Some("8080".into()),
            verbose: 2,
            ..Options::default()
        };
        for arguments in [
            vec!["--iface", "eth0", "--iso", "C.iso", "--http-port", "8080", "-v", "-v"],
            vec!["--iface=eth0", "--iso=C.iso", "--http-port=8080", "-vv"],
            vec!["-ieth0", "--iso=C.iso", "-vv", "--http-port", "8080"],
            vec!["-i", "eth0", "-v", "--iso=C.iso", "--http-port=8080", "-v"],
        ] {
            assert_eq!(serve(&arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    fn a_path_need_not_be_utf8() {
        let name = OsString::from_vec(b"/media/usb/\xc4\xd6=\xff \xe2\x82\xac.iso".to_vec());
        let mut argument = OsString::from("--iso=");
        argument.push(&name);
        for arguments in [vec![argument], vec!["--iso".into(), name.clone()]] {
            let Ok(Command::Serve(options)) = parse(arguments) else { panic!("not read") };
            assert_eq!(options.iso, Some(PathBuf::from(&name)));
        }
    }

    #[test]
    fn help_and_version_are_found_under_their_usual_names() {
        for word in ["-h", "--help"] {
            let Ok(Command::Print(help)) = parse([OsString::from(word)]) else { panic!("{word}") };
            assert!(help.starts_with("Usage: pxego ") && help.contains("  --iso "), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        }
        for word in ["-V", "--version"] {
            assert_eq!(parse([OsString::from(word)]), Ok(Command::Version));
        }
    }

    #[test]
    fn wrong_use_names_the_word_and_the_way_out() {
        for (arguments, named) in [
            (vec!["--iso"], "--iso"),
            (vec!["--isso", "x"], "--isso"),
            (vec!["serve"], "serve"),
            (vec!["--iso="], "--iso"),
        ] {
            let Err(UsageError(text)) = parse(arguments.iter().map(OsString::from)) else {
                panic!("{arguments:?} is accepted")
            };
            assert!(text.contains(named) && text.contains("pxego --help"), "{text}");
        }
    }
}
