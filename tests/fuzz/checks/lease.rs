//! The lease file: damaged lines are named, the others read back as they were written, whatever stands round them.

use std::net::Ipv4Addr;
use std::time::Duration;

use pxego::dhcp::Now;
use pxego::dhcp::lease::{LeaseRecord, latest, parse_lines};
use pxego::dhcp::pool::Pool;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 100);
const LAST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 200);

/// 2026-11-22T12:00:00Z, an hour after the computer was switched on.
const NOW: Now = Now { monotonic: Duration::from_secs(3600), unix_secs: 1_795_348_800 };

/// Reads `data` as a lease file.
pub fn lease(data: &[u8]) {
    let (records, bad) = parse_lines(data);
    let lines = data.split_inclusive(|byte| *byte == b'\n').count();
    assert!(records.len() + bad.len() <= lines);
    assert!(bad.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert!(bad.iter().all(|line| (1..=lines).contains(&line.number) && !line.what.is_empty()));
    let last = data.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    assert!(last.is_empty() || bad.last().is_some_and(|line| line.number == lines), "a torn line is named");

    let written: String = records.iter().map(LeaseRecord::to_line).collect();
    assert_eq!(parse_lines(written.as_bytes()), (records.clone(), Vec::new()));
    let kept = latest(&records);
    assert!(kept.len() <= records.len() && kept.iter().all(|record| records.contains(record)));
    assert_eq!(latest(&kept), kept);
    assert_eq!(restored(&records), restored(&kept), "what is left out changes nothing");
}

/// Who has which address after a restart: the address, and whether the lease counts.
fn restored(records: &[LeaseRecord]) -> Vec<Option<(Ipv4Addr, bool)>> {
    let mut pool = Pool::new(FIRST, LAST, SERVER, 24, &[]).expect("a pool");
    pool.restore(records, Duration::from_secs(86_400), NOW);
    let mut identities: Vec<_> = records.iter().map(|record| &record.identity).collect();
    identities.sort_by_key(|identity| identity.to_string());
    identities.dedup();
    let bindings = identities.into_iter().map(|identity| pool.binding(identity, NOW));
    let bindings: Vec<_> = bindings.map(|found| found.map(|found| (found.address, found.is_live))).collect();
    let free =
        pool.unchecked(0, 200, Duration::ZERO, NOW).0.into_iter().map(|address| Some((address, false)));
    bindings.into_iter().chain(free).collect()
}
