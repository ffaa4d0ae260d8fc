//! Makes the table of families of `src/media/families.toml`.

use std::fmt::Write;

use super::toml::{self, Table, Value};

/// Keys that a family takes from the one it is `like`.
const INHERITED: [&str; 15] = [
    "support",
    "kernel",
    "before",
    "initrd",
    "stage2",
    "arguments",
    "text",
    "rescue",
    "grub",
    "answer",
    "passed",
    "version",
    "loaders",
    "memory",
    "notes",
];

/// Keys that are each family's own.
const OWN: [&str; 10] = ["id", "name", "like", "all", "any", "none", "releases", "volume", "says", "source"];

/// Names of values, and their variants in Rust.
const SUPPORT: &[(&str, &str)] =
    &[("installs", "Installs"), ("live", "Live"), ("tool", "Tool"), ("named", "Named")];
const GRUB: &[(&str, &str)] = &[("", "Linux"), ("linux", "Linux"), ("linuxefi", "LinuxEfi")];
const ANSWERS: &[(&str, &str)] = &[
    ("", "None"),
    ("none", "None"),
    ("kickstart", "Kickstart"),
    ("autoyast", "AutoYast"),
    ("agama", "Agama"),
    ("ignition", "Ignition"),
    ("preseed", "Preseed"),
    ("autoinstall", "Autoinstall"),
    ("script", "Script"),
    ("apkovl", "Apkovl"),
    ("machineconfig", "MachineConfig"),
];

/// The table as Rust source, an expression for each family.
///
/// # Errors
/// The first family that is not understood, and why.
pub(crate) fn source(text: &str) -> Result<String, String> {
    let mut families = toml::parse(text)?;
    for index in 0..families.len() {
        let (earlier, rest) = families.split_at_mut(index);
        let Some(family) = rest.first_mut() else { break };
        inherit(family, earlier).map_err(|error| format!("line {}: {error}", family.line))?;
    }
    let mut source =
        "/// The families, in the order of the tests.\npub const FAMILIES: &[Family] = &[\n".to_owned();
    for family in &families {
        row(family, &mut source).map_err(|error| format!("line {}: {error}", family.line))?;
    }
    source.push_str("];\n");
    Ok(source)
}

/// Checks the keys, and takes what is missing from the family it is like.
fn inherit(family: &mut Table, earlier: &[Table]) -> Result<(), String> {
    if family.name != "family" {
        return Err(format!("[[{}]] is no family", family.name));
    }
    let is_known = |key: &str| INHERITED.contains(&key) || OWN.contains(&key);
    if let Some((key, _)) = family.keys.iter().find(|(key, _)| !is_known(key)) {
        return Err(format!("a family has no key {key}"));
    }
    let id = text_of(family, "id")?;
    if id.is_empty() || earlier.iter().any(|other| text_of(other, "id").as_ref() == Ok(&id)) {
        return Err(format!("the id {id:?} is empty or was there before"));
    }
    let like = text_of(family, "like")?;
    if like.is_empty() {
        return Ok(());
    }
    let other = earlier.iter().find(|other| text_of(other, "id").as_ref() == Ok(&like));
    let other = other.ok_or_else(|| format!("there is no family {like:?} before it"))?;
    for (key, value) in &other.keys {
        if INHERITED.contains(&key.as_str()) && !family.keys.iter().any(|(own, _)| own == key) {
            family.keys.push((key.clone(), value.clone()));
        }
    }
    Ok(())
}

fn row(family: &Table, source: &mut String) -> Result<(), String> {
    let text = |key| text_of(family, key).map(|text| format!("{text:?}"));
    let list = |key| list_of(family, key).map(|list| format!("&{list:?}"));
    let words = |key| list_of(family, key).map(|list| format!("{:?}", list.join(" ")));
    let mut releases = Vec::new();
    for text in list_of(family, "releases")? {
        releases.push(release(&text).ok_or_else(|| format!("{text:?} are no releases"))?);
    }
    let mut says = Vec::new();
    for line in list_of(family, "says")? {
        let (file, said) = line.split_once(": ").ok_or_else(|| format!("{line:?} is not FILE: TEXT"))?;
        says.push((file.to_owned(), said.to_lowercase()));
    }
    let memory = match family.keys.iter().find(|(key, _)| key == "memory") {
        Some((_, Value::Number(number))) => *number,
        None => 0,
        Some(_) => return Err("memory is no number".to_owned()),
    };
    let fields = [
        ("id", text("id")?),
        ("name", text("name")?),
        ("support", format!("Support::{}", one_of(family, "support", SUPPORT)?)),
        ("all", list("all")?),
        ("any", list("any")?),
        ("none", list("none")?),
        ("releases", format!("&[{}]", releases.join(", "))),
        ("volume", list("volume")?),
        ("says", format!("&{says:?}")),
        ("kernel", list("kernel")?),
        ("before", list("before")?),
        ("initrd", list("initrd")?),
        ("stage2", list("stage2")?),
        ("arguments", words("arguments")?),
        ("text", words("text")?),
        ("rescue", words("rescue")?),
        ("answer", format!("AnswerKind::{}", one_of(family, "answer", ANSWERS)?)),
        ("passed", text("passed")?),
        ("grub_verb", format!("GrubVerb::{}", one_of(family, "grub", GRUB)?)),
        ("version", list("version")?),
        ("loaders", list("loaders")?),
        ("memory_mib", memory.to_string()),
        ("notes", list("notes")?),
        ("source", text("source")?),
    ];
    let fields: String = fields.iter().map(|(name, value)| format!("        {name}: {value},\n")).collect();
    write!(source, "    Family {{\n{fields}    }},\n").map_err(|error| error.to_string())
}

fn text_of(family: &Table, key: &str) -> Result<String, String> {
    match family.keys.iter().find(|(other, _)| other == key) {
        Some((_, Value::Text(text))) => Ok(text.clone()),
        None => Ok(String::new()),
        Some(_) => Err(format!("{key} is no string")),
    }
}

fn one_of(family: &Table, key: &str, names: &[(&str, &'static str)]) -> Result<&'static str, String> {
    let given = text_of(family, key)?;
    let found = names.iter().find(|(name, _)| *name == given).map(|(_, variant)| *variant);
    found.ok_or_else(|| format!("{key} = {given:?} is none of those there are"))
}

fn list_of(family: &Table, key: &str) -> Result<Vec<String>, String> {
    match family.keys.iter().find(|(other, _)| other == key) {
        Some((_, Value::List(list))) => Ok(list.clone()),
        None => Ok(Vec::new()),
        Some(_) => Err(format!("{key} is no list of strings")),
    }
}

/// `enterprise 8-19`, `fedora 21-`.
fn release(text: &str) -> Option<String> {
    let (product, range) = text.split_once(' ')?;
    let product = match product {
        "enterprise" => "Enterprise",
        "fedora" => "Fedora",
        _ => return None,
    };
    let (first, last) = range.split_once('-')?;
    let first: u32 = first.parse().ok()?;
    let last: u32 = if last.is_empty() { u32::MAX } else { last.parse().ok()? };
    Some(format!("Releases {{ product: Product::{product}, first: {first}, last: {last} }}"))
}
