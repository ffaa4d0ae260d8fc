//! A template of 200 lines filled in for one machine, against Jinja2 (what cobbler and Ansible fill theirs in with). Needs a
//! Python that has `jinja2`; without it our own figure counts alone.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "common/report.rs"]
mod report;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use pxego::answer::template::{Template, Variables};
use report::Row;

const ROUNDS: u32 = 200;
const RUNS: usize = 9;

/// Prints the milliseconds of one filling-in, for each run.
const RIVAL: &str = r#"
import sys, time
from jinja2 import Environment, StrictUndefined
template = Environment(undefined=StrictUndefined).from_string(sys.argv[1])
for run in range(9):
    start = time.perf_counter()
    for _ in range(200):
        template.render(name="node01", disk="sda", role="web")
    print((time.perf_counter() - start) / 200 * 1000)
"#;

fn main() {
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let text = "network --hostname={{ name }}\nignoredisk --only-use={{ disk }}\n{% if role == 'db' %}x{% endif %}\n# plain\n"
        .repeat(50);
    let template = Template::parse(text.clone()).unwrap();
    let ours: Vec<f64> = (0..RUNS).map(|_| measure(&template)).collect();
    let output = Command::new("python3").args(["-c", RIVAL, &text]).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let rival: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    let row = |case, rival, target| Row {
        bench: "answers",
        case,
        unit: "ms",
        more_is_better: false,
        ours: &ours,
        rival,
        target: Some(target),
    };
    row("a template of 200 lines", ("", &[]), 1.0).print();
    if !rival.is_empty() {
        row("the same, against Jinja2", ("jinja2", &rival), 1.0).print();
    }
}

/// Milliseconds for one machine.
fn measure(template: &Template) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let mut variables = Variables::default();
        for (name, value) in [("name", "node01"), ("disk", "sda"), ("role", "web")] {
            variables.set(name, value);
        }
        black_box(template.render(variables).unwrap());
    }
    start.elapsed().as_secs_f64() * 1000.0 / f64::from(ROUNDS)
}
