//! What the user typed. What it means is decided in `config`.
//!
//! `argh` reads the words; the shim in [`words`] makes it read them as every other program does (`--opt=value`, `-h`,
//! `-V`, `-vv`, `-ieth0` and paths that are not UTF-8).

use std::ffi::OsString;
use std::path::PathBuf;

use argh::FromArgs;

use words::{arch_path, path, words};

mod inspect;
mod ks;
mod words;

pub use inspect::InspectOptions;
pub use ks::KsOptions;

/// What help begins with. argh runs such a text together into one line, so only what follows is argh's.
const HELP_HEAD: &str = "\
Usage: pxego --iface NAME --iso FILE [--ks FILE] [OPTION ...]
       pxego inspect IMAGE ...
       pxego ks [--iso FILE | --check FILE | --for MAC] [OPTION ...]

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

    /// an install image (CentOS, RHEL, Rocky, Alma, Oracle 5 to 10, Fedora), or a folder of them; read in place, never
    /// mounted; may be repeated: machines then get a menu
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub iso: Vec<PathBuf>,

    /// compare the image with its own checksums before serving, and refuse a damaged one; else that is done meanwhile
    #[argh(switch)]
    pub verify: bool,

    /// the kickstart every machine gets, or a template of it (*.j2); without it, and without --wipe and --profile, the installer asks
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub ks: Option<PathBuf>,

    /// instead of --ks: write a kickstart that erases the disk this rule allows: blank, all, or terms such as
    /// size>=100G,smallest; beside --ks: the one disk that Fedora CoreOS erases, such as nvme0n1, else it runs from memory
    #[argh(option, arg_name = "rule")]
    pub wipe: Option<String>,

    /// instead of --ks: write a kickstart from this profile; see "pxego ks --help"
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub profile: Option<PathBuf>,

    /// a list of machines (CSV: mac, uuid or serial; name, ip, image, ks, and variables for templates)
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub machines: Option<PathBuf>,

    /// serve these machines only: MAC addresses with commas between, or a list as for --machines
    #[argh(option, arg_name = "list")]
    pub only: Option<String>,

    /// name machines by order of appearance, such as node{{:02}} for node01, node02, ...
    #[argh(option, arg_name = "pattern")]
    pub name: Option<String>,

    /// install a machine again that is done or held: its MAC address, or all; may be repeated
    #[argh(option, arg_name = "mac|all")]
    pub again: Vec<String>,

    /// put nothing into the kickstart that reports how far the install is
    #[argh(switch)]
    pub no_hooks: bool,

    /// what the menu starts by itself: an image's id, such as el9, or local for the disk; default: the only image, with
    /// several the disk
    #[argh(option, arg_name = "id")]
    pub default: Option<String>,

    /// how long the menu waits, in seconds; 0: it does not, never: until somebody chooses; default: 3, with several
    /// images 60
    #[argh(option, arg_name = "s")]
    pub timeout: Option<String>,

    /// a folder whose files are laid over those of the image, such as images/updates.img; may be repeated, as DIR for
    /// all images or ID=DIR for one
    #[argh(option, arg_name = "dir", from_str_fn(path))]
    pub overlay: Vec<PathBuf>,

    /// where packages come from when an image has none: a URL that machines reach, the tree's, such as
    /// http://mirror.example.org/9/BaseOS/x86_64/os
    #[argh(option, arg_name = "url")]
    pub mirror: Option<String>,

    /// our address and its prefix length, such as 192.168.100.1/24; default: the interface's own
    #[argh(option, arg_name = "cidr")]
    pub address: Option<String>,

    /// the addresses to give, such as 192.168.100.100-192.168.100.200 or 100-200
    #[argh(option, arg_name = "a-b")]
    pub range: Option<String>,

    /// what we are beside other DHCP servers: auto (default: give addresses only where nobody else does), full, proxy or off
    #[argh(option, arg_name = "part")]
    pub dhcp: Option<String>,

    /// start although the kickstart has errors; with --dhcp full: give addresses although another DHCP server does
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

    /// a loader of yours, used before the image's own: bios=FILE, x64=FILE,
    /// ia32, arm64, arm, riscv64 or loongarch64; may be repeated
    #[argh(option, arg_name = "arch=file", from_str_fn(arch_path))]
    pub loader: Vec<(String, PathBuf)>,

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

    /// where leases and machines are kept between runs; default: /var/lib/pxego
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
    /// Write a kickstart, or check one.
    Ks(Box<KsOptions>),
    /// Say what images are.
    Inspect(InspectOptions),
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
    // A subcommand is one more arm here, with its options in a file of its own below `cli/`.
    if let Some(("ks", words)) = words.split_first().map(|(first, rest)| (*first, rest)) {
        return Ok(match read::<KsOptions>("pxego ks", ks::HEAD, words)? {
            Read::Help(text) => Command::Print(text),
            Read::Options(options) => Command::Ks(Box::new(options)),
        });
    }
    if let Some((&"inspect", words)) = words.split_first() {
        return inspect(words);
    }
    let read = read::<Options>("pxego", HELP_HEAD, &words)?;
    Ok(match read {
        Read::Help(text) => Command::Print(text),
        Read::Options(options) if options.version => Command::Version,
        Read::Options(options) => Command::Serve(Box::new(options)),
    })
}

fn inspect(words: &[&str]) -> Result<Command, UsageError> {
    let command = "pxego inspect";
    match read::<InspectOptions>(command, inspect::HELP_HEAD, words)? {
        Read::Help(text) => Ok(Command::Print(text)),
        Read::Options(options) if options.images.is_empty() => Err(UsageError(format!(
            "No image given. Name one, or a folder of them:\n  {command} CentOS.iso\nType \"{command} --help\" for the options."
        ))),
        Read::Options(options) => Ok(Command::Inspect(options)),
    }
}

/// What was read of a command's words.
enum Read<T> {
    Options(T),
    Help(String),
}

/// Reads the words after `command`, such as `pxego ks`. `head` is what its help begins with, up to the options.
fn read<T: FromArgs>(command: &str, head: &str, words: &[&str]) -> Result<Read<T>, UsageError> {
    match T::from_args(&[command], words) {
        Ok(options) => Ok(Read::Options(options)),
        Err(exit) if exit.status.is_ok() => Ok(Read::Help(help(head, &exit.output))),
        Err(exit) => Err(UsageError(explain(command, &exit.output, words))),
    }
}

/// The whole help from argh's part of it.
fn help(head: &str, generated: &str) -> String {
    let options = generated.find("Options:").map_or(generated, |at| &generated[at..]);
    format!("{head}{options}")
}

/// argh's complaint, with the next thing to type.
fn explain(command: &str, complaint: &str, words: &[&str]) -> String {
    let complaint = complaint.split("\n\n").next().unwrap_or(complaint).trim();
    let hint = match words.first() {
        Some(word) if command == "pxego" && !word.starts_with('-') && *word != "help" => {
            "The commands are inspect and ks; every option begins with --.\n"
        }
        _ => "",
    };
    format!("{complaint}\n{hint}Type \"{command} --help\" for the options.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

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
            iso: vec!["C.iso".into()],
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
            assert_eq!(options.iso, [PathBuf::from(&name)]);
        }
    }

    #[test]
    fn help_and_version_are_found_under_their_usual_names() {
        for word in ["-h", "--help"] {
            let Ok(Command::Print(help)) = parse([OsString::from(word)]) else { panic!("{word}") };
            assert!(help.starts_with("Usage: pxego ") && help.contains("  --iso "), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        }
        let Ok(Command::Print(help)) = parse(["ks", "--help"].map(OsString::from)) else { panic!("ks") };
        assert!(help.starts_with("Usage: pxego ks ") && help.contains("  --wipe "), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for word in ["-V", "--version"] {
            assert_eq!(parse([OsString::from(word)]), Ok(Command::Version));
        }
    }

    #[test]
    fn images_to_inspect_stand_alone_and_options_anywhere() {
        let inspect = |arguments: &[&str]| parse(arguments.iter().map(OsString::from));
        let expected =
            InspectOptions { json: true, verify: false, images: vec!["a b.iso".into(), "dir".into()] };
        for arguments in [["inspect", "--json", "a b.iso", "dir"], ["inspect", "a b.iso", "dir", "--json"]] {
            assert_eq!(inspect(&arguments), Ok(Command::Inspect(expected.clone())));
        }
        let Ok(Command::Print(help)) = inspect(&["inspect", "-h"]) else { panic!("no help") };
        assert!(help.starts_with("Usage: pxego inspect") && help.contains("  --verify "), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for (arguments, named) in
            [(vec!["inspect"], "CentOS.iso"), (vec!["inspect", "--jason", "x"], "--jason")]
        {
            let Err(UsageError(text)) = inspect(&arguments) else { panic!("{arguments:?} is accepted") };
            assert!(text.contains(named) && text.contains("pxego inspect --help"), "{text}");
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
