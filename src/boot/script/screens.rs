//! The text behind F1 of PXELINUX, where the image brings none.

use super::printable;
use crate::boot::Plan;

/// What can be started, and how: at most 23 lines, what a text screen shows above the prompt.
pub fn help(plan: &Plan, url: &str) -> String {
    const LINES: usize = 14;
    let mut text = format!("{}\n\nType one of these and press Enter:\n\n", printable(&plan.title));
    for entry in plan.entries.iter().take(LINES) {
        let title: String = printable(&entry.title).chars().take(60).collect();
        text.push_str(&format!("  {:<14} {title}\n", entry.label));
    }
    if plan.entries.len() > LINES {
        text.push_str(&format!("  and {} more\n", plan.entries.len() - LINES));
    }
    text.push_str("\nWhat is typed behind the name is added to the kernel's arguments.\n");
    text.push_str(&format!("Everything that is served: {url}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::{image, plan_for, site};
    use crate::machine::Assignment;

    #[test]
    fn it_fits_on_a_screen_and_holds_no_control_bytes() {
        let mut site = site(80);
        site.images = (0..20).map(|number| image(&format!("el{number}"), "x\u{18}\n\u{f}")).collect();
        let text = help(&plan_for(&site, &Assignment::default()), "http://192.168.100.1/");
        assert!(text.lines().count() <= 23 && text.lines().all(|line| line.len() < 80), "{text}");
        assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text}");
        assert!(text.contains("  el0            ") && text.contains("more\n"), "{text}");
    }
}
