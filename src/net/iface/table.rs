//! The table of interfaces that is shown when none was chosen.

use super::{Candidate, Interface, Reason};
use crate::net::invocation::Invocation;
use crate::order;

/// All interfaces in aligned columns, the best first, and the command to type with that one filled in.
pub fn describe(candidates: &[Candidate], invocation: &Invocation) -> String {
    let mut sorted: Vec<_> = candidates.iter().collect();
    order::by_key(&mut sorted, |candidate| rank(candidate));
    let rows: Vec<_> = sorted.iter().map(|candidate| row(candidate)).collect();
    let heading = ["interface", "link", "address", "remark"].map(str::to_owned);
    let mut text = aligned(&[vec![heading], rows].concat());
    text.push('\n');
    match sorted.first() {
        Some(Candidate { iface, unsuitable: None }) => {
            text.push_str(&format!("Type:\n\n    sudo {}\n", invocation.with_iface(&iface.name)));
        }
        Some(Candidate { iface, unsuitable: Some(reason) }) if !reason.refuses() => {
            let first = match reason {
                Reason::NoCarrier => "Plug the cable in, then type:",
                Reason::Wireless => "Plug in a cable or a USB network adapter; or, if you must, type:",
                _ => "Type (it is switched on for you):",
            };
            text.push_str(&format!("{first}\n\n    sudo {}\n", invocation.with_iface(&iface.name)));
        }
        _ => {
            let line = invocation.with_iface("NAME");
            text.push_str(&format!(
                "None of them can serve. Plug in a network adapter, then type its name:\n\n    sudo {line}\n"
            ));
        }
    }
    text
}

/// Smaller is better: usable as it is, then usable at all; cards before what programs have made.
fn rank(candidate: &Candidate) -> (u8, bool) {
    let class = match &candidate.unsuitable {
        None => 0,
        Some(Reason::NoCarrier) => 1,
        Some(Reason::Down) => 2,
        Some(Reason::Wireless) => 3,
        Some(_) => 4,
    };
    (class, !candidate.iface.physical)
}

fn row(Candidate { iface, unsuitable }: &Candidate) -> [String; 4] {
    let addresses: Vec<_> =
        iface.ipv4.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
    let remark = match (unsuitable, &iface.kind) {
        (Some(reason), _) => reason.to_string(),
        (None, Some(kind)) => format!("suitable ({kind})"),
        (None, None) => "suitable".to_owned(),
    };
    let address = if addresses.is_empty() { "none".to_owned() } else { addresses.join(" ") };
    [iface.name.clone(), link(iface), address, remark]
}

fn link(iface: &Interface) -> String {
    match iface {
        Interface { up: false, .. } => "off".to_owned(),
        Interface { carrier: false, .. } => "none".to_owned(),
        Interface { speed: Some(speed), .. } => format!("{speed} Mbit/s"),
        _ => "up".to_owned(),
    }
}

/// Columns as wide as their widest cell and two apart, indented by two; no blanks at the end of a line.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(&format!("  {}\n", cells.join("  ").trim_end()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::card;
    use super::*;
    use std::net::Ipv4Addr;

    fn shown(interfaces: Vec<Interface>) -> String {
        let invocation =
            Invocation { program: "pxego".into(), arguments: ["--iso", "a.iso"].map(Into::into).into() };
        let list = interfaces.into_iter().map(|iface| Candidate { unsuitable: iface.reason(), iface });
        describe(&list.collect::<Vec<_>>(), &invocation)
    }

    #[test]
    fn the_suitable_one_comes_first_and_is_filled_in() {
        let wlan = Interface {
            wireless: true,
            speed: None,
            ipv4: vec![(Ipv4Addr::new(10, 0, 0, 5), 24)],
            ..card("wlan0")
        };
        let lo = Interface { loopback: true, speed: None, ..card("lo") };
        let bridge =
            Interface { kind: Some("bridge".into()), physical: false, speed: None, ..card("virbr0") };
        let off = Interface { up: false, ..card("enp4s0") };
        assert_eq!(
            shown(vec![lo, wlan, off, bridge, card("enx001122334455")]),
            "  interface        link         address      remark
  enx001122334455  1000 Mbit/s  none         suitable
  virbr0           up           none         suitable (bridge)
  enp4s0           off          none         switched off
  wlan0            up           10.0.0.5/24  Wi-Fi, machines cannot boot over it
  lo               up           none         loopback, reaches this machine only

Type:

    sudo pxego --iface enx001122334455 --iso a.iso
"
        );
    }

    #[test]
    fn the_advice_fits_what_there_is() {
        let unplugged = Interface { carrier: false, ..card("eth0") };
        for (interfaces, expected) in [
            (vec![unplugged], "Plug the cable in, then type:\n\n    sudo pxego --iface eth0 --iso a.iso\n"),
            (
                vec![Interface { wireless: true, ..card("wlan0") }],
                "or, if you must, type:\n\n    sudo pxego --iface wlan0 --iso a.iso\n",
            ),
            (
                vec![Interface { loopback: true, ..card("lo") }],
                "type its name:\n\n    sudo pxego --iface NAME --iso a.iso\n",
            ),
            (vec![], "type its name:\n\n    sudo pxego --iface NAME --iso a.iso\n"),
        ] {
            let text = shown(interfaces);
            assert!(text.ends_with(expected), "{text}");
        }
    }
}
