//! The list of machines that a user brings: which machine is which, and what it gets.
//!
//! A table with a line of column names. `mac`, `uuid` or `serial` says which machine a row is about; `name`, `ip`, `image`
//! and `ks` mean something to us; every other column (`disk`, `role`, …) is a variable of templates, as those are.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::keys;
use super::table::{self, ListError};
use crate::wire::MacAddr;
use crate::wire::pxe::Uuid;

/// Most errors that are told of one list: who exported the wrong sheet has as many as machines.
const MAX_ERRORS: usize = 20;

/// Names that templates have for something else.
const RESERVED: [&str; 5] = ["machine", "server", "loop", "self", "kickstart"];

/// What other programs call the columns that we know.
const OTHER_NAMES: [(&str, &str); 8] = [
    ("mac_address", "mac"),
    ("macaddress", "mac"),
    ("serial_number", "serial"),
    ("serialnumber", "serial"),
    ("service_tag", "serial"),
    ("hostname", "name"),
    ("ip_address", "ip"),
    ("kickstart_file", "ks"),
];

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// The card that it boots from.
    pub mac: Option<MacAddr>,
    /// The machine's UUID, as `dmidecode` prints it.
    pub uuid: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// The address that it gets.
    pub ip: Option<Ipv4Addr>,
    /// The image that it is bound to.
    pub image: Option<String>,
    /// A kickstart of its own: a path, as it stands there.
    pub ks: Option<String>,
    /// Every column that has a name, with what stands in it; empty where nothing does.
    pub variables: BTreeMap<String, String>,
}

impl Listed {
    /// How people call it: its name, else what it is known by.
    pub fn title(&self) -> String {
        let mac = self.mac.map(|mac| mac.to_string());
        [&self.name, &mac, &self.uuid, &self.serial].into_iter().flatten().next().cloned().unwrap_or_default()
    }
}

/// A list of machines.
#[derive(Clone, Debug, Default)]
pub struct MachineList {
    rows: Vec<Arc<Listed>>,
    by_mac: HashMap<MacAddr, usize>,
    by_uuid: HashMap<String, usize>,
    by_serial: HashMap<String, usize>,
}

impl MachineList {
    /// Reads a table.
    ///
    /// # Errors
    /// All that is wrong with it, up to twenty.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<ListError>> {
        let mut rows = table::rows(bytes).map_err(|error| vec![error])?.into_iter();
        let header = rows.next().ok_or_else(|| vec![ListError::at(0, "it is empty")])?;
        let columns = columns(&header.cells).map_err(|what| vec![ListError::at(header.line, what)])?;
        let (mut list, mut errors) = (Self::default(), Vec::new());
        for row in rows {
            let listed = read_row(&columns, &row).and_then(|listed| list.add(listed));
            errors.extend(listed.err().map(|what| ListError::at(row.line, what)));
            if errors.len() >= MAX_ERRORS {
                break;
            }
        }
        if errors.is_empty() && list.rows.is_empty() {
            errors.push(ListError::at(0, "it has column names and no machine"));
        }
        if errors.is_empty() { Ok(list) } else { Err(errors) }
    }

    /// All rows in their order.
    pub fn rows(&self) -> &[Arc<Listed>] {
        &self.rows
    }

    /// The row of a machine: by its card, its UUID in either byte order (RFC 4578 §2.3 leaves that open, and firmware
    /// differs), or its serial number.
    pub fn find(&self, mac: MacAddr, uuid: Option<Uuid>, serial: Option<&str>) -> Option<&Arc<Listed>> {
        let by_uuid = || {
            let uuid = uuid?;
            let swapped = uuid.to_string();
            self.by_uuid.get(&swapped).or_else(|| self.by_uuid.get(&keys::uuid_as_sent(uuid)))
        };
        let by_serial = || self.by_serial.get(&serial?.trim().to_ascii_lowercase());
        let index = self.by_mac.get(&mac).or_else(by_uuid).or_else(by_serial)?;
        self.rows.get(*index)
    }

    /// Whether some machine is known by its serial number alone: firmware does not tell that.
    pub fn needs_serials(&self) -> bool {
        self.rows.iter().any(|row| row.mac.is_none() && row.uuid.is_none())
    }

    fn add(&mut self, listed: Listed) -> Result<(), String> {
        let before = |index: &usize| self.rows.get(*index).map_or(0, |row| row.line);
        let taken = |what: &str, line: usize| Err(format!("{what} is on line {line} already"));
        if let Some(mac) = listed.mac
            && let Some(index) = self.by_mac.get(&mac)
        {
            return taken(&mac.to_string(), before(index));
        }
        if let Some(uuid) = &listed.uuid
            && let Some(index) = self.by_uuid.get(uuid)
        {
            return taken(&format!("the UUID {uuid}"), before(index));
        }
        let serial = listed.serial.as_ref().map(|serial| serial.to_ascii_lowercase());
        if let Some(index) = serial.as_ref().and_then(|serial| self.by_serial.get(serial)) {
            return taken(&format!("the serial number {}", listed.title()), before(index));
        }
        for row in &self.rows {
            if listed.name.is_some() && row.name == listed.name {
                return taken(&format!("the name {}", listed.title()), row.line);
            }
            if let Some(ip) = listed.ip.filter(|ip| row.ip == Some(*ip)) {
                return taken(&format!("the address {ip}"), row.line);
            }
        }
        let index = self.rows.len();
        self.by_mac.extend(listed.mac.map(|mac| (mac, index)));
        self.by_uuid.extend(listed.uuid.clone().map(|uuid| (uuid, index)));
        self.by_serial.extend(serial.map(|serial| (serial, index)));
        self.rows.push(Arc::new(listed));
        Ok(())
    }
}

/// The columns' names, as variables are called.
fn columns(cells: &[String]) -> Result<Vec<String>, String> {
    let mut columns: Vec<String> = Vec::new();
    for (number, cell) in (1..).zip(cells) {
        let name = variable(cell);
        if name.is_empty() {
            columns.push(String::new());
            continue;
        }
        if !name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') {
            return Err(format!("column {number} is called \"{cell}\"; a name begins with a letter"));
        }
        let name =
            OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, ours)| (*ours).into());
        if RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "column {number} is called \"{cell}\", which templates have for something else"
            ));
        }
        if columns.contains(&name) {
            return Err(format!("there are two columns \"{name}\""));
        }
        columns.push(name);
    }
    if !["mac", "uuid", "serial"].iter().any(|key| columns.iter().any(|name| name == key)) {
        return Err(
            "no column is called mac, uuid or serial. The first line names the columns, such as: mac,name,ip,role"
                .into(),
        );
    }
    Ok(columns)
}

/// `Rack Unit` as `rack_unit`.
fn variable(cell: &str) -> String {
    let lower = cell.to_ascii_lowercase();
    lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>()
}

fn read_row(columns: &[String], row: &table::Row) -> Result<Listed, String> {
    let extra = row.cells.get(columns.len()..).unwrap_or_default();
    if let Some(cell) = extra.iter().find(|cell| !cell.is_empty()) {
        return Err(format!("\"{cell}\" stands in a column that has no name"));
    }
    let cells = row.cells.iter().map(String::as_str).chain(std::iter::repeat(""));
    let mut variables = BTreeMap::new();
    for (name, cell) in columns.iter().zip(cells) {
        if cell.chars().any(char::is_control) {
            return Err(format!("{name} has a line break or a control character in it"));
        }
        if name.is_empty() && !cell.is_empty() {
            return Err(format!("\"{cell}\" stands in a column that has no name"));
        }
        if !name.is_empty() {
            variables.insert(name.clone(), cell.to_owned());
        }
    }
    let given = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    let mut listed = Listed {
        line: row.line,
        mac: given("mac").map(|text| keys::mac(&text)).transpose()?,
        uuid: given("uuid").map(|text| keys::uuid(&text)).transpose()?,
        serial: given("serial"),
        name: given("name").map(keys::host_name).transpose()?,
        ip: given("ip").map(|text| keys::ip(&text)).transpose()?,
        image: given("image"),
        ks: given("ks"),
        variables: BTreeMap::new(),
    };
    check_keys(&listed)?;
    // Templates see one spelling.
    variables.extend(listed.mac.map(|mac| ("mac".to_owned(), mac.to_string())));
    variables.extend(listed.uuid.clone().map(|uuid| ("uuid".to_owned(), uuid)));
    listed.variables = variables;
    Ok(listed)
}

/// Whether the row says which machine it is about, early enough for what it says.
fn check_keys(listed: &Listed) -> Result<(), String> {
    let Listed { mac, uuid, serial, ip, image, .. } = listed;
    if mac.is_none() && uuid.is_none() && serial.is_none() {
        return Err("it does not say which machine it is about: mac, uuid and serial are empty".into());
    }
    if ip.is_some() && mac.is_none() {
        return Err("ip needs the machine's mac: an address is given before anything else is known of it. \
                    For a template alone call the column otherwise, such as address"
            .into());
    }
    if image.is_some() && mac.is_none() && uuid.is_none() {
        return Err(
            "image needs the machine's mac or uuid: its serial number is told by the installer only".into()
        );
    }
    Ok(())
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
