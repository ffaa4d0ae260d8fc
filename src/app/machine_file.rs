//! The thread that writes down how far machines are, so that nobody who tells of it waits for the disk.

use std::io;
use std::sync::mpsc::Receiver;

use crate::machine::record::{self, Record};
use crate::net::state::LeaseFile;

/// Most lines of a damaged file that are told of.
const BAD_LINES_TOLD: usize = 5;

/// The file is made short again when so many lines were added; most of them are outdated then.
const LINES_BEFORE_COMPACTING: usize = 10_000;

/// Most lines that wait for a disk that is full.
const MAX_UNWRITTEN: usize = 10_000;

/// Reads what earlier runs wrote down, and shortens the file when most of it is outdated.
pub(super) fn restore(file: &mut LeaseFile) -> io::Result<Vec<Record>> {
    let (records, count, bad) = record::parse_lines(&file.read_all()?);
    for line in bad.iter().take(BAD_LINES_TOLD) {
        log::warn!("file of machines, {line}; it is left out");
    }
    if count > records.len().saturating_mul(2) || !bad.is_empty() {
        // A full disk: it stays long for now.
        if let Err(error) = compact(file, &records) {
            log::warn!("the file of machines cannot be made shorter: {error}");
        }
    }
    Ok(records)
}

/// Writes records until nobody can send any more; what waits is written at once.
pub(super) fn write_records(records: &Receiver<Record>, mut file: LeaseFile) {
    let mut written = 0_usize;
    let mut unwritten: Vec<String> = Vec::new();
    while let Ok(record) = records.recv() {
        let before = unwritten.len();
        unwritten.extend([record].into_iter().chain(records.try_iter()).map(|record| record.to_line()));
        match file.append_all(unwritten.iter().map(String::as_str)) {
            Ok(()) => {
                written = written.saturating_add(unwritten.len());
                unwritten.clear();
            }
            // Told once; the next machine's step tries again.
            Err(error) if before == 0 => {
                log::error!(
                    "how far machines are cannot be written down: {error}; make room, or take --state elsewhere"
                );
            }
            Err(_) => {
                let outdated = unwritten.len().saturating_sub(MAX_UNWRITTEN);
                unwritten.drain(..outdated);
            }
        }
        if written >= LINES_BEFORE_COMPACTING {
            written = 0;
            let latest = file.read_all().map(|bytes| record::parse_lines(&bytes).0);
            if let Err(error) = latest.and_then(|records| compact(&mut file, &records)) {
                log::warn!("the file of machines cannot be made shorter: {error}");
            }
        }
    }
}

fn compact(file: &mut LeaseFile, records: &[Record]) -> io::Result<()> {
    let lines: Vec<String> = records.iter().map(Record::to_line).collect();
    file.compact(lines.iter().map(String::as_str))
}
