//! `pxego ks --for MAC`: what one machine would get from the server, made as the server makes it.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::app::Refusal;
use crate::app::prepare::Prepared;
use crate::cli::{KsOptions, Options, UsageError};
use crate::config::{Config, DEFAULT_ADDRESS};
use crate::wire::MacAddr;

/// An option that says nothing without `--for`, if there is one.
pub(super) fn misplaced(options: &KsOptions) -> Option<&'static str> {
    [
        (options.ks.is_some(), "--ks"),
        (options.machines.is_some() && options.check.is_none(), "--machines"),
        (options.name.is_some() && options.check.is_none(), "--name"),
        (options.address.is_some() && options.check.is_none(), "--address"),
        (options.no_hooks, "--no-hooks"),
    ]
    .into_iter()
    .find_map(|(is_given, option)| is_given.then_some(option))
}

/// Prints the kickstart of a machine. The secret in its URLs is made when the server runs: here it is all zeros.
///
/// # Errors
/// As at a start of the server with the same options, and when that machine would get none.
pub(super) fn print(mac: &str, options: &KsOptions) -> Result<ExitCode, Refusal> {
    let mac: MacAddr = mac
        .parse()
        .map_err(|_| Refusal::wrong_use(format!("--for {mac}: write a MAC address as 52:54:00:12:34:56")))?;
    let server = Options {
        iso: options.iso.iter().cloned().collect(),
        ks: options.ks.clone(),
        machines: options.machines.clone(),
        name: options.name.clone(),
        address: options.address.clone(),
        mirror: options.mirror.clone(),
        wipe: options.wipe.clone(),
        profile: options.profile.clone(),
        no_hooks: options.no_hooks,
        ..Options::default()
    };
    let config = Config::from_options(&server).map_err(|UsageError(text)| Refusal::wrong_use(text))?;
    let address = config.address.unwrap_or(DEFAULT_ADDRESS);
    let mut prepared = Prepared::read(&config, address)?;
    let site = prepared.site(address.address, config.http_port)?;
    prepared.write_kickstarts(&site);
    let text = prepared.kickstart_of(mac, &site)?;
    // A reader that went away (`| head`) is no error.
    let _ = io::stdout().lock().write_all(&text);
    Ok(ExitCode::SUCCESS)
}
