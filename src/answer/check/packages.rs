//! `%packages` against what the image has.
//!
//! What a line may name is what dnf and yum take: a package by name, with its architecture or version, a glob, something
//! provided, a file; `@` and a group's id or name, `@^` and an environment's.

use super::super::finding::{Finding, Severity};
use super::super::nearest::nearest;
use super::super::repository::{Group, Primary, Repository};
use super::walk::{PackageLine, Walk, short};

/// Architectures that may stand behind a name.
const ARCHES: [&str; 14] = [
    "noarch", "x86_64", "i386", "i486", "i586", "i686", "aarch64", "ppc64", "ppc64le", "s390x", "s390",
    "riscv64", "armv7hl", "src",
];

/// Most names that are compared with the whole list to find what was meant.
const MAX_GUESSES: usize = 20;

/// What `%packages` names and the image does not have.
pub(super) fn compare(walk: &Walk, repository: &Repository) -> Vec<Finding> {
    // Packages may come from elsewhere too, and those that are missing may be passed over.
    let elsewhere = ["repo", "url", "nfs"].iter().any(|command| walk.command(command).is_some());
    let severity = if elsewhere || walk.ignores_missing { Severity::Advice } else { Severity::Error };
    let mut guesses = 0_usize;
    let missing = walk.packages.iter().filter_map(|line| {
        let missing = missing(line, repository)?;
        guesses = guesses.saturating_add(1);
        let severity = if missing.may_be_module { Severity::Advice } else { severity };
        let message = format!("the image has no {} {}", missing.what, short(missing.name));
        let finding = Finding::at(severity, line.line, line.column, missing.code, message);
        let near = (guesses <= MAX_GUESSES).then(|| missing.near(repository)).flatten();
        Some(Finding { instead: near.map(|name| format!("write {name}")), ..finding })
    });
    missing.collect()
}

/// Something that the image does not have.
struct Missing<'a> {
    what: &'static str,
    code: &'static str,
    name: &'a str,
    may_be_module: bool,
}

impl Missing<'_> {
    /// What was meant, as it is to be written.
    fn near(&self, repository: &Repository) -> Option<String> {
        let group = |groups: &[Group], prefix: &str| {
            // People write the title for the id, and a group for an environment.
            let names = groups.iter().flat_map(|group| [group.id.as_str(), group.name.as_str()]);
            let near = nearest(self.name, names)?;
            let of = groups.iter().find(|group| group.id == near || group.name == near)?;
            Some(format!("{prefix}{}", of.id))
        };
        let comps = &repository.comps;
        match self.what {
            "environment" => group(&comps.environments, "@^").or_else(|| group(&comps.groups, "@")),
            "group" => group(&comps.groups, "@").or_else(|| group(&comps.environments, "@^")),
            _ => {
                let names = repository.packages.iter().flat_map(Primary::names);
                nearest(self.name, names).map(str::to_owned)
            }
        }
    }
}

fn missing<'a>(line: &'a PackageLine, repository: &Repository) -> Option<Missing<'a>> {
    let text = line.text.as_str();
    // What is not to be installed need not be there.
    if text.starts_with('-') {
        return None;
    }
    let comps = &repository.comps;
    if let Some(name) = text.strip_prefix("@^") {
        let known = comps.environments.is_empty() || has(&comps.environments, name.trim());
        let missing = Missing {
            what: "environment",
            code: "unknown-environment",
            name: name.trim(),
            may_be_module: false,
        };
        return (!known).then_some(missing);
    }
    if let Some(name) = text.strip_prefix('@') {
        let name = name.split(" --").next().unwrap_or(name).trim();
        // A module and its stream.
        if name.contains([':', '/', '*', '?']) || comps.groups.is_empty() || has(&comps.groups, name) {
            return None;
        }
        let may_be_module = repository.has_modules;
        return Some(Missing { what: "group", code: "unknown-group", name, may_be_module });
    }
    // Of what is not kept nobody knows whether it is there.
    let packages = repository.packages.as_ref().filter(|packages| packages.is_whole())?;
    (!provides(packages, text)).then_some(Missing {
        what: "package",
        code: "unknown-package",
        name: text,
        may_be_module: false,
    })
}

fn has(groups: &[Group], name: &str) -> bool {
    groups.iter().any(|group| group.id == name || group.name == name)
}

/// Whether the packages have what a line names.
fn provides(packages: &Primary, text: &str) -> bool {
    let known = |name: &str| packages.has(name);
    // Files and conditions are more than the list of packages can tell.
    if text.starts_with(['/', '(']) || known(text) {
        return true;
    }
    let plain =
        text.rsplit_once('.').filter(|(_, arch)| ARCHES.contains(arch)).map_or(text, |(name, _)| name);
    let plain =
        plain.split_once(':').filter(|(epoch, _)| epoch.parse::<u32>().is_ok()).map_or(plain, |it| it.1);
    if plain.contains(['*', '?', '[']) {
        return packages.names().any(|name| glob(plain.as_bytes(), name.as_bytes()));
    }
    // `name-version` and `name-version-release`.
    known(plain)
        || plain.match_indices('-').any(|(at, _)| {
            let (name, version) = plain.split_at(at);
            version.len() > 1
                && packages.has_package(name)
                && version.chars().nth(1).is_some_and(|first| first.is_ascii_digit())
        })
}

/// Whether `name` fits a shell's pattern. A set in brackets stands for any letter here.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Where to go on when what follows the last `*` does not fit: one letter further.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), name.split_first()) {
            (Some((b'*', rest)), _) => {
                again = Some((rest, name));
                pattern = rest;
                continue;
            }
            (Some((b'[', rest)), Some((_, after))) => {
                let end = rest.iter().position(|byte| *byte == b']').map(|at| at.saturating_add(1));
                pattern = end.and_then(|end| rest.get(end..)).unwrap_or_default();
                name = after;
                continue;
            }
            (Some((wanted, rest)), Some((letter, after))) if wanted == letter || *wanted == b'?' => {
                (pattern, name) = (rest, after);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((rest, from)) = again else { return false };
        let Some((_, from)) = from.split_first() else { return false };
        again = Some((rest, from));
        (pattern, name) = (rest, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_dnf_takes_them() {
        let mut packages = Primary::default();
        ["bash", "kernel-devel", "python3"].iter().for_each(|name| packages.add_name(name));
        packages.add_provided("perl(Foo)");
        for (text, there) in [
            ("bash", true),
            ("bash.x86_64", true),
            ("bash-5.1.8", true),
            ("bash-5.1.8-2.el9.x86_64", true),
            ("kernel-*", true),
            ("ker*vel", true),
            ("*", true),
            ("pytho[mn]3", true),
            ("bas?", true),
            ("perl(Foo)", true),
            ("/usr/bin/any", true),
            ("bash-completion", false),
            ("kernel-x*", false),
            ("bas", false),
            ("bash.foo", false),
        ] {
            assert_eq!(provides(&packages, text), there, "{text}");
        }
    }
}
