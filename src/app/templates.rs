//! Templates of kickstarts, tried on machines before there are any: on each of the list, and on one that is not in it.

use std::path::PathBuf;

use super::Refusal;
use super::images::Image;
use super::judge::{Advice, Judge, Named};
use crate::answer::Kickstart;
use crate::config::Config;
use crate::machine::policy::Only;
use crate::machine::{Machine, Policy};
use crate::wire::MacAddr;
use crate::wire::pxe::Uuid;

/// Most other machines that a refusal names.
const MAX_OTHERS: usize = 10;

/// A card that no machine has: the address is administered locally.
const CARD: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// The machines that templates are tried on.
pub(super) fn machines(policy: &Policy) -> Vec<Machine> {
    let rows = policy.list.rows().iter();
    let listed = rows.map(|row| Machine::example(row.clone(), policy.names.as_ref()));
    let mut other = Machine::unlisted(CARD, policy.names.as_ref());
    other.uuid = Some(Uuid([1; 16]));
    listed.chain(matches!(policy.only, Only::Everyone).then_some(other)).collect()
}

/// How a machine that was made up is called.
pub(super) fn title(machine: &Machine) -> String {
    match &machine.listed {
        Some(row) => format!("{} (line {} of the list)", row.title(), row.line),
        None => "a machine that is in no list".to_owned(),
    }
}

/// The command that shows what an image's installer makes of a machine's kickstart.
fn command(machine: &Machine, image: &Image, config: &Config) -> String {
    let (mac, iso) = (machine.mac, image.path.display());
    let option = |name: &str, path: &Option<PathBuf>| {
        path.as_ref().map(|path| format!(" {name} {}", path.display())).unwrap_or_default()
    };
    let (ks, machines) = (option("--ks", &config.kickstart), option("--machines", &config.machines));
    let name = config.names.as_ref().map(|pattern| format!(" --name {pattern}")).unwrap_or_default();
    format!(
        "pxego ks --for {mac} --iso {iso}{ks}{machines}{name} --no-hooks | pxego ks --check /dev/stdin --iso {iso}"
    )
}

/// What an image's installer will make of kickstarts that were filled in from a file each: a sentence where some are served by
/// force. The first one's advice stands for all of its file.
///
/// # Errors
/// When the installer would stop at one.
pub(super) fn judge<'a>(
    all: impl Iterator<Item = (&'a Machine, (&'a str, Kickstart))>,
    judge: &Judge,
    image: &Image,
    config: &Config,
    advice: &mut Advice,
) -> Result<Option<String>, Refusal> {
    let (mut forced, mut files) = (None, Vec::new());
    let mut refused: Option<Refusal> = None;
    let mut others = Vec::new();
    for (machine, (file, kickstart)) in all {
        let whose =
            machine.listed.as_ref().map_or_else(|| "a machine in no list".to_owned(), |row| row.title());
        let shown = format!("{file} ({whose})");
        let more = command(machine, image, config);
        let mut own = Advice::default();
        let into = if files.contains(&file) { &mut own } else { &mut *advice };
        match judge.judge(&kickstart, &Named { shown: &shown, more: &more }, image, config, into) {
            Ok(Some(_)) if forced.is_some() => others.push(title(machine)),
            Ok(told) => forced = forced.or(told),
            Err(_) if refused.is_some() => others.push(title(machine)),
            Err(refusal) => refused = Some(refusal),
        }
        if !files.contains(&file) {
            files.push(file);
        }
    }
    if !others.is_empty() {
        let more = others.len().saturating_sub(MAX_OTHERS);
        others.truncate(MAX_OTHERS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let same = format!("The same goes for {}{more}", others.join(", "));
        forced = forced.map(|told| format!("{told}. {same}"));
        refused = refused.map(|refusal| Refusal::new(format!("{refusal}\n\n{same}")));
    }
    refused.map_or(Ok(forced), Err)
}
