//! `acceptance.tsv` says which test proves which numbered statement about clients; here it is checked that those tests
//! are there, so that the table cannot promise more than the code holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// How many statements each group has.
const GROUPS: [(char, u32); 9] =
    [('D', 62), ('P', 50), ('A', 14), ('H', 22), ('T', 48), ('W', 34), ('C', 26), ('L', 32), ('S', 20)];

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                rust_files(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The names of the functions marked `#[test]`, with the file each is in.
fn tests() -> BTreeMap<String, Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    rust_files(&root.join("tests"), &mut files);
    let mut tests: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
                let name = rest.split('(').next().expect("a name");
                let relative = file.strip_prefix(root).expect("inside").to_owned();
                tests.entry(name.to_owned()).or_default().push(relative);
                is_test = false;
            } else if !line.starts_with("#[") && !line.starts_with("//") {
                is_test = false;
            }
        }
    }
    tests
}

/// Statement numbers that a test's name begins with: `t05_t06_sizes` has T05 and T06.
fn numbers(name: &str) -> Vec<String> {
    name.split('_')
        .map_while(|part| {
            let (group, number) = part.split_at_checked(1)?;
            let is_number = number.len() == 2 && number.bytes().all(|digit| digit.is_ascii_digit());
            let group = group.to_ascii_uppercase();
            (is_number && GROUPS.iter().any(|(letter, _)| group.starts_with(*letter)))
                .then(|| format!("{group}{number}"))
        })
        .collect()
}

#[test]
fn every_test_named_in_the_table_exists() {
    let tests = tests();
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acceptance.tsv"))
        .expect("tests/acceptance.tsv");
    let mut listed = BTreeSet::new();
    for (index, line) in table.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let place = format!("tests/acceptance.tsv:{}", index + 1);
        let (statement, path) = line.split_once('\t').unwrap_or_else(|| panic!("{place}: no tab"));
        let (group, number) = statement.split_at(1);
        let known = GROUPS.iter().find(|(letter, _)| group.starts_with(*letter));
        let number: u32 = number.parse().unwrap_or_else(|_| panic!("{place}: {statement} is no statement"));
        assert!(
            known.is_some_and(|(_, count)| (1..=*count).contains(&number)),
            "{place}: no statement {statement}"
        );
        let mut parts: Vec<&str> = path.split("::").collect();
        let name = parts.pop().expect("a name");
        let first = parts.first().unwrap_or_else(|| panic!("{place}: {path} names no file"));
        let found = tests.get(name).is_some_and(|files| {
            files.iter().any(|file| {
                file.components().any(|part| Path::new(&part).file_stem().is_some_and(|stem| stem == *first))
            })
        });
        assert!(found, "{place}: there is no test {path}");
        listed.insert((statement.to_owned(), name.to_owned()));
    }
    for name in tests.keys() {
        for statement in numbers(name) {
            let is_listed = listed.contains(&(statement.clone(), name.clone()));
            assert!(
                is_listed,
                "the test {name} is named after {statement}, and tests/acceptance.tsv does not list it"
            );
        }
    }
}
