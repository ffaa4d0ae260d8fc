//! What the user says about machines, read before anything on this computer is touched: the list, and the kickstarts that
//! it names.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Refusal;
use super::prepare::cannot_open;
use crate::answer::answers::Answer;
use crate::answer::kickstart::MAX_LEN;
use crate::config::Config;
use crate::machine::policy::Only;
use crate::machine::{ListError, MachineList, Policy, table};

/// What the configuration says about machines.
///
/// # Errors
/// When a list cannot be used: every line that is wrong.
pub(super) fn policy(config: &Config) -> Result<Policy, Refusal> {
    let list = match &config.machines {
        Some(path) => read_list("--machines ", path)?,
        None => MachineList::default(),
    };
    let only = match &config.only {
        Some(text) => only(text)?,
        None => Only::Everyone,
    };
    Ok(Policy { list, only, names: config.names.clone() })
}

fn only(text: &str) -> Result<Only, Refusal> {
    let cards = Only::cards(text).map_err(|why| Refusal::wrong_use(format!("--only: {why}")))?;
    if let Some(cards) = cards {
        return Ok(cards);
    }
    let list = read_list("--only ", Path::new(text))?;
    if let Some(row) = list.rows().iter().find(|row| row.mac.is_none() && row.uuid.is_none()) {
        return Err(Refusal::new(format!(
            "--only {text}, line {}: {} is known by its serial number only, which firmware does not tell. Add its mac or uuid",
            row.line,
            row.title()
        )));
    }
    Ok(Only::List(list))
}

/// Reads a list of machines.
///
/// # Errors
/// When it cannot be used: every line that is wrong.
pub(super) fn read_list(option: &str, path: &Path) -> Result<MachineList, Refusal> {
    let bytes = read(path, table::MAX_LEN).map_err(|error| cannot_open(option, path, &error))?;
    MachineList::parse(&bytes).map_err(|errors| {
        let one = |error: &ListError| match error.line {
            0 => format!("{}: {}", path.display(), error.what),
            line => format!("{}, line {line}: {}", path.display(), error.what),
        };
        let all: Vec<String> = errors.iter().map(one).collect();
        Refusal::new(format!(
            "{}: the list of machines cannot be used. Correct it, then start again\n  {}",
            option.trim_end(),
            all.join("\n  ")
        ))
    })
}

/// Where a kickstart lies that the list names: beside the list.
pub(super) fn path_of(name: &str, config: &Config) -> PathBuf {
    config.machines.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).join(name)
}

/// The kickstarts of single machines, by what stands in the list.
///
/// # Errors
/// When one cannot be used, with the line that names it.
pub(super) fn own_answers(policy: &Policy, config: &Config) -> Result<HashMap<String, Answer>, Refusal> {
    let mut answers = HashMap::new();
    for row in policy.list.rows() {
        let Some(name) = row.ks.as_ref().filter(|name| !answers.contains_key(*name)) else { continue };
        let list = config.machines.as_deref().unwrap_or(Path::new(""));
        let answer = read_answer("ks ", &path_of(name, config)).map_err(|refusal| {
            Refusal::new(format!("{}, line {}: {}", list.display(), row.line, refusal.text()))
        })?;
        answers.insert(name.clone(), answer);
    }
    Ok(answers)
}

/// Reads a kickstart, or a template of one.
///
/// # Errors
/// When it cannot be one.
pub(super) fn read_answer(option: &str, path: &Path) -> Result<Answer, Refusal> {
    let text = read(path, MAX_LEN).map_err(|error| cannot_open(option, path, &error))?;
    Answer::parse(&path.display().to_string(), text).map_err(|error| {
        Refusal::new(format!(
            "{error}. Name another file with --ks, or leave --ks out and let the installer ask"
        ))
    })
}

/// The bytes of a file. One more than it may have tells that it is too long, whatever it is (a disk, `/dev/zero`).
pub(super) fn read(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
