//! What a benchmark prints: a table for people on standard error, a JSON object for each row on standard output.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;

use serde_json::json;

/// One comparison, both sides measured in turn in the same run: these machines are noisy, only the ratio counts.
pub struct Row<'a> {
    /// The benchmark: `http`, `tftp`, `dhcp`, `ready`.
    pub bench: &'a str,
    /// The work: `256 MB, 16 connections`.
    pub case: &'a str,
    /// What the figures count: `MB/s`, `requests/s`, `CPU s/GB`, `ms`.
    pub unit: &'a str,
    /// Whether more is better.
    pub more_is_better: bool,
    /// Our figure in each run.
    pub ours: &'a [f64],
    /// The rival and its figure in each run; empty where there is none and `target` counts alone.
    pub rival: (&'a str, &'a [f64]),
    /// The ratio ours / rival (or, without a rival, the figure itself) that is wanted.
    pub target: Option<f64>,
}

/// How often each measurement is made: as `RUNS` in the environment says, else `usual`.
pub fn runs(usual: usize) -> usize {
    std::env::var("RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The middle one of some figures; NaN of none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl<'a> Row<'a> {
    /// One without a rival: the figure itself is to be `at_most` so much.
    pub fn alone(bench: &'a str, case: &'a str, unit: &'a str, at_most: f64) -> Self {
        Self { bench, case, unit, more_is_better: false, ours: &[], rival: ("", &[]), target: Some(at_most) }
    }

    /// Prints it. Returns whether the target was met; nothing fails because of it.
    pub fn print(&self) -> bool {
        let ours = median(self.ours);
        let (name, figures) = self.rival;
        let rival = (!figures.is_empty()).then(|| median(figures));
        let counted = rival.map_or(ours, |rival| ours / rival);
        let is_met = self.target.is_none_or(|target| match self.more_is_better {
            true => counted >= target,
            false => counted <= target,
        });
        let sign = if self.more_is_better { ">=" } else { "<=" };
        let target = self.target.map(|it| format!("  want {sign} {it}")).unwrap_or_default();
        let against = rival.map(|it| format!("  {name} {it:.2}  ratio {counted:.2}")).unwrap_or_default();
        let verdict = if is_met { "" } else { "  MISSED" };
        eprintln!(
            "{:<6} {:<44} {:<12} pxego {ours:.2}{against}{target}{verdict}",
            self.bench, self.case, self.unit
        );
        let object = json!({
                "bench": self.bench, "case": self.case, "unit": self.unit, "more_is_better": self.more_is_better,
                "pxego": ours, "runs": self.ours, "rival": rival.map(|_| name), "rival_figure": rival,
                "rival_runs": figures, "ratio": rival.map(|_| counted), "target": self.target, "met": is_met,
        });
        // A reader that went away is no error.
        let _ = writeln!(std::io::stdout(), "{object}");
        is_met
    }
}
