//! Reads `vendor/manifest.toml`: the part of TOML it is written in, and nothing else.

use std::path::PathBuf;

/// A loader that may be built in.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Loader {
    /// `bios`, `x64` or `arm64`.
    pub(crate) role: String,
    /// The name it is served by.
    pub(crate) file: String,
    /// SPDX expression.
    pub(crate) licence: String,
    /// The packages that have it, the preferred one first.
    pub(crate) packages: Vec<Package>,
}

/// A distribution's package.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Package {
    /// Whose it is, such as `Debian, Ubuntu`.
    pub(crate) systems: String,
    /// Its name.
    pub(crate) name: String,
    /// Where it puts the loader, the preferred file first.
    pub(crate) paths: Vec<PathBuf>,
}

/// The roles there are.
pub(crate) const ROLES: [&str; 3] = ["bios", "x64", "arm64"];

/// A value: a string or a list of strings.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    List(Vec<String>),
}

/// Reads a manifest.
///
/// # Errors
/// The first line that is not understood, with its number, or what a table lacks.
pub(crate) fn parse(text: &str) -> Result<Vec<Loader>, String> {
    let mut loaders: Vec<Loader> = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut in_package = false;
    while let Some((index, line)) = lines.next() {
        let fail = |what: &str| format!("line {}: {what}: {}", index + 1, line.trim());
        let mut line_text = without_comment(line).to_owned();
        match line_text.as_str() {
            "" => continue,
            "[[loader]]" => {
                loaders.push(Loader::default());
                in_package = false;
                continue;
            }
            "[[loader.package]]" => {
                let loader = loaders.last_mut().ok_or_else(|| fail("a package before any loader"))?;
                loader.packages.push(Package::default());
                in_package = true;
                continue;
            }
            _ => {}
        }
        // A list may go over several lines.
        while line_text.contains('[') && !line_text.ends_with(']') {
            let (_, next) = lines.next().ok_or_else(|| fail("a list without an end"))?;
            line_text.push_str(without_comment(next));
        }
        let (key, value) = line_text.split_once('=').ok_or_else(|| fail("neither a table nor a key"))?;
        let value = value_of(value.trim()).ok_or_else(|| fail("not a string or a list of strings"))?;
        let loader = loaders.last_mut().ok_or_else(|| fail("a key before any table"))?;
        let is_set = match loader.packages.last_mut().filter(|_| in_package) {
            Some(package) => set_of_package(package, key.trim(), value),
            None => set_of_loader(loader, key.trim(), value),
        };
        is_set.map_err(fail)?;
    }
    check(&loaders)?;
    Ok(loaders)
}

fn set_of_loader(loader: &mut Loader, key: &str, value: Value) -> Result<(), &'static str> {
    match (key, value) {
        ("role", Value::Text(text)) => set(&mut loader.role, text),
        ("file", Value::Text(text)) => set(&mut loader.file, text),
        ("licence", Value::Text(text)) => set(&mut loader.licence, text),
        _ => Err("a loader has no such key of this type"),
    }
}

fn set_of_package(package: &mut Package, key: &str, value: Value) -> Result<(), &'static str> {
    match (key, value) {
        ("systems", Value::Text(text)) => set(&mut package.systems, text),
        ("name", Value::Text(text)) => set(&mut package.name, text),
        ("paths", Value::List(list)) if package.paths.is_empty() => {
            package.paths = list.into_iter().map(PathBuf::from).collect();
            Ok(())
        }
        _ => Err("a package has no such key of this type, or has it twice"),
    }
}

fn set(field: &mut String, text: String) -> Result<(), &'static str> {
    if text.is_empty() || !field.is_empty() {
        return Err("empty, or given twice");
    }
    *field = text;
    Ok(())
}

/// That every table has all its keys, and every role and file is there once.
fn check(loaders: &[Loader]) -> Result<(), String> {
    for (index, loader) in loaders.iter().enumerate() {
        let fail = |what: &str| Err(format!("loader {:?}: {what}", loader.file));
        if !ROLES.contains(&loader.role.as_str()) {
            return fail("its role is none of bios, x64, arm64");
        }
        if loader.file.is_empty() || loader.file.contains('/') {
            return fail("needs a file name without folders");
        }
        if loader.licence.is_empty() {
            return fail("has no licence");
        }
        if loaders.iter().take(index).any(|other| other.role == loader.role || other.file == loader.file) {
            return fail("its role or its file is there twice");
        }
        let is_whole = |package: &Package| {
            !package.systems.is_empty()
                && !package.name.is_empty()
                && !package.paths.is_empty()
                && package.paths.iter().all(|path| path.is_absolute())
        };
        if loader.packages.is_empty() || !loader.packages.iter().all(is_whole) {
            return fail("needs packages, each with systems, name and absolute paths");
        }
    }
    Ok(())
}

/// The line without a comment and the space around it. No string here has a `#` in it.
fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn value_of(text: &str) -> Option<Value> {
    let Some(list) = text.strip_prefix('[') else { return string_of(text).map(Value::Text) };
    let list = list.strip_suffix(']')?.trim();
    let list = list.strip_suffix(',').unwrap_or(list);
    list.split(',').map(|item| string_of(item.trim())).collect::<Option<_>>().map(Value::List)
}

/// A basic string without escapes (TOML 1.0, "String").
fn string_of(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\']) && !inner.chars().any(char::is_control)).then(|| inner.to_owned())
}
