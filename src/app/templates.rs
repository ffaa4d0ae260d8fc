//! Templates of kickstarts, tried on machines before there are any: on each of the list, and on one that is not in it.

use super::Refusal;
use super::images::Image;
use super::judge::{Advice, Judge, Named};
use crate::answer::filling::FilledIn;
use crate::answer::finding::Report;
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

/// The same in brackets behind a file.
pub(super) fn short_title(machine: &Machine) -> String {
    machine.listed.as_ref().map_or_else(|| "a machine in no list".to_owned(), |row| row.title())
}

/// The options that tell `pxego ks --check` of the same machines.
fn machine_options(config: &Config) -> String {
    let machines = config.machines.as_ref().map(|path| format!(" --machines {}", path.display()));
    let name = config.names.as_ref().map(|pattern| format!(" --name {pattern}"));
    [machines, name].into_iter().flatten().collect()
}

/// What an image's installer will make of kickstarts that were filled in from a file each: a sentence where some are served by
/// force. The first one's advice stands for all of its file.
///
/// # Errors
/// When the installer would stop at one.
pub(super) fn judge<'a>(
    all: impl Iterator<Item = (&'a Machine, FilledIn<'a>)>,
    judge: &Judge,
    image: &Image,
    config: &Config,
    advice: &mut Advice,
) -> Result<Option<String>, Refusal> {
    let (mut forced, mut files) = (None, Vec::new());
    let mut refused: Option<Refusal> = None;
    let mut others = Vec::new();
    for (machine, filled_in) in all {
        let file = filled_in.file;
        let shown = format!("{file} ({})", short_title(machine));
        let more = judge.command(file, image) + &machine_options(config);
        let mut own = Advice::default();
        let into = if files.contains(&file) { &mut own } else { &mut *advice };
        let named = Named { shown: &shown, more: &more };
        let place = |report: &mut Report| filled_in.place(report);
        match judge.judge(&filled_in.kickstart, &named, image, config, into, place) {
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
