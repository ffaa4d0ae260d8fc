//! `pxego ks`: a kickstart written, or one checked.

use std::path::PathBuf;

use argh::FromArgs;

use super::words::path;

/// What help begins with.
pub(super) const HEAD: &str = "\
Usage: pxego ks (--iso FILE | --release NAME) [OPTION ...]
       pxego ks --check FILE [--iso FILE] [--release NAME] [--json]
       pxego ks --check FILE.j2 [--machines FILE] [--iso FILE] [OPTION ...]
       pxego ks --for MAC --iso FILE [--ks FILE] [--machines FILE] [OPTION ...]

Prints a kickstart for a release, to be used with --ks or anywhere else;
checks one: what stops the installer, what it will ask, what the image does
not have; or prints what one machine would get from the server. A template
(*.j2) is checked as it is filled in for each machine. Without --wipe nothing
on any disk is touched: the installer asks.

";

/// A kickstart, written or checked.
#[derive(FromArgs, Debug, Default, PartialEq)]
#[argh(
    help_triggers("-h", "--help"),
    example = "Unattended, on a disk that has nothing on it:\n  {command_name} --iso Rocky-9.6-x86_64-dvd.iso --wipe blank >ks.cfg",
    example = "What a file would do to the machines:\n  {command_name} --check ks.cfg --iso Rocky-9.6-x86_64-dvd.iso",
    error_code(1, "checked, and the installer would stop"),
    error_code(2, "wrong use: what was typed cannot be understood"),
    error_code(3, "refused: the message names the cause and the next command")
)]
pub struct KsOptions {
    /// the install image the kickstart is for
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub iso: Option<PathBuf>,

    /// the release it is for, such as EL9 or F44; default: the image's
    #[argh(option, arg_name = "name")]
    pub release: Option<String>,

    /// check this kickstart, or this template (*.j2), instead of writing one
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub check: Option<PathBuf>,

    /// print what the machine with this MAC address would get
    #[argh(option, long = "for", arg_name = "mac")]
    pub machine: Option<String>,

    /// with --for: the kickstart or template that the server is given
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub ks: Option<PathBuf>,

    /// with --for, and with --check of a template: the list of machines that the server is given
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub machines: Option<PathBuf>,

    /// with --for, and with --check of a template: the pattern of names that the server is given
    #[argh(option, arg_name = "pattern")]
    pub name: Option<String>,

    /// with --for and --check: the address that the server has; default: 192.168.100.1/24
    #[argh(option, arg_name = "cidr")]
    pub address: Option<String>,

    /// with --for: without what reports how far the install is
    #[argh(switch)]
    pub no_hooks: bool,

    /// with --check: the findings as one JSON object
    #[argh(switch)]
    pub json: bool,

    /// a profile in TOML; options that are given replace what it says
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub profile: Option<PathBuf>,

    /// the disk that may be erased: blank, all, or terms such as size>=100G,smallest
    #[argh(option, arg_name = "rule")]
    pub wipe: Option<String>,

    /// how the disk is divided: lvm (default), plain or thin
    #[argh(option, arg_name = "kind")]
    pub layout: Option<String>,

    /// encrypt the disk with the passphrase that is the first line of this file; ask: the installer asks
    #[argh(option, arg_name = "file|ask", from_str_fn(path))]
    pub encrypt: Option<PathBuf>,

    /// where packages come from; default: the server puts its own address in
    #[argh(option, arg_name = "url")]
    pub mirror: Option<String>,

    /// one more repository; may be repeated
    #[argh(option, arg_name = "name=url")]
    pub repo: Vec<String>,

    /// the language; default: en_US.UTF-8
    #[argh(option, arg_name = "name")]
    pub lang: Option<String>,

    /// the keyboard; default: us
    #[argh(option, arg_name = "name")]
    pub keyboard: Option<String>,

    /// the time zone; default: Etc/UTC
    #[argh(option, arg_name = "name")]
    pub timezone: Option<String>,

    /// a time server; may be repeated
    #[argh(option, arg_name = "host")]
    pub ntp: Vec<String>,

    /// the host's name; default: from DHCP
    #[argh(option, arg_name = "name")]
    pub hostname: Option<String>,

    /// an interface, such as device=eth0,address=10.0.0.5/24 or device=eth0,vlan=5 or bond=eth0+eth1; also gateway=, dns=
    /// and mtu=; may be repeated; default: DHCP
    #[argh(option, arg_name = "what")]
    pub network: Vec<String>,

    /// root's password: random (default; shown once), prompt, ask (the installer asks), locked, or a file whose first line is its
    /// hash
    #[argh(option, arg_name = "how")]
    pub root_password: Option<String>,

    /// somebody who can log in, such as ann or ann:admin; may be repeated
    #[argh(option, arg_name = "name")]
    pub user: Vec<String>,

    /// a .pub file whose keys may log in as the users given, or as root where there are none; may be repeated
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub ssh_key: Vec<PathBuf>,

    /// enforcing (default), permissive or disabled
    #[argh(option, arg_name = "how")]
    pub selinux: Option<String>,

    /// what comes through: off, or services and ports such as ssh,http,8080:tcp; default: ssh
    #[argh(option, arg_name = "list")]
    pub firewall: Option<String>,

    /// an environment, such as minimal-environment
    #[argh(option, arg_name = "id")]
    pub environment: Option<String>,

    /// a group; may be repeated; default: core
    #[argh(option, arg_name = "id")]
    pub group: Vec<String>,

    /// a package; may be repeated
    #[argh(option, arg_name = "name")]
    pub package: Vec<String>,

    /// a package to leave out; may be repeated
    #[argh(option, arg_name = "name")]
    pub exclude: Vec<String>,

    /// a service that starts; may be repeated
    #[argh(option, arg_name = "name")]
    pub enable: Vec<String>,

    /// a service that does not; may be repeated
    #[argh(option, arg_name = "name")]
    pub disable: Vec<String>,

    /// more arguments for the installed kernel
    #[argh(option, arg_name = "text")]
    pub append: Option<String>,

    /// a script to run in the installed system; may be repeated
    #[argh(option, arg_name = "file", from_str_fn(path))]
    pub post: Vec<PathBuf>,

    /// how the installer shows itself: text (default), graphical or remote
    #[argh(option, arg_name = "how")]
    pub mode: Option<String>,

    /// what the machine does when it is done: reboot (default), poweroff or wait
    #[argh(option, arg_name = "what")]
    pub end: Option<String>,
}
