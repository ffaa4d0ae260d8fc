//! `boot.ipxe`: the plan as an iPXE script (ipxe.org/scripting, `src/hci/commands/`).

use super::{Reach, printable};
use crate::boot::Plan;
use crate::boot::arguments::quoted;
use crate::content::Protocol;

/// The script for `plan`.
///
/// A failed download is tried again: the switch may still be learning, or somebody pulled a cable. `initrd=` is what an
/// EFI kernel looks for; BIOS ones ignore it. The disk is booted by INT 13 on BIOS, and by giving control back on UEFI.
pub fn render(plan: &Plan, reach: &Reach) -> String {
    let install = &plan.install;
    let title = escape(&printable(&install.title));
    let url = |name: &str| escape(&percent_encode(&base(reach), name));
    let names: Vec<String> = (0..install.initrds.len()).map(|index| format!("initrd{index}.img")).collect();
    let mut kernel = vec![url(&install.kernel)];
    kernel.extend(names.iter().map(|name| format!("initrd={name}")));
    kernel.extend(install.arguments.iter().map(|it| escape(&printable(&quoted(it)))));
    let initrds: String = install
        .initrds
        .iter()
        .zip(&names)
        .map(|(path, name)| format!("initrd --name {name} {} || goto failed\n", url(path)))
        .collect();
    format!(
        "#!ipxe\n\
         echo {title}\n\
         prompt --key 0x64 --timeout {} Press d to boot from the disk instead && goto disk ||\n\
         :install\n\
         imgfree\n\
         kernel {} || goto failed\n\
         {initrds}\
         boot || goto failed\n\
         :failed\n\
         echo That did not work; trying again in 10 seconds\n\
         sleep 10\n\
         goto install\n\
         :disk\n\
         iseq ${{platform}} pcbios && sanboot --no-describe --drive 0x80 ||\n\
         exit\n",
        plan.timeout.as_millis(),
        kernel.join(" "),
    )
}

fn base(reach: &Reach) -> String {
    match (reach.protocol, reach.http_port) {
        (Protocol::Tftp, _) => format!("tftp://{}/", reach.server),
        (Protocol::Http, 80) => format!("http://{}/", reach.server),
        (Protocol::Http, port) => format!("http://{}:{port}/", reach.server),
    }
}

fn percent_encode(base: &str, name: &str) -> String {
    let mut url = base.to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+:@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// iPXE expands `${…}` everywhere and ends commands at `&&`, `||` and `#` (`src/core/exec.c`): none may come from
/// outside.
fn escape(text: &str) -> String {
    text.replace("${", "$_{").replace("&&", "__").replace("||", "__").replace('#', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::site;
    use std::net::Ipv4Addr;

    const REACH: Reach =
        Reach { protocol: Protocol::Http, server: Ipv4Addr::new(192, 168, 100, 1), http_port: 8080 };

    #[test]
    fn c11_c12_c13_the_script_names_its_ramdisks_and_uses_addresses() {
        let script = render(&site(8080).plan(None), &REACH);
        assert!(script.starts_with("#!ipxe\n"));
        assert!(!script.contains('\r'));
        assert!(
            script.contains(
                "kernel http://192.168.100.1:8080/t/el9/images/pxeboot/vmlinuz initrd=initrd0.img \
                 inst.repo=http://192.168.100.1:8080/t/el9 ip=dhcp || goto failed\n\
                 initrd --name initrd0.img http://192.168.100.1:8080/t/el9/images/pxeboot/initrd.img || goto failed\n"
            ),
            "{script}"
        );
    }

    #[test]
    fn nothing_of_the_image_is_a_command() {
        let mut site = site(80);
        site.title = "x && shell || ${net0/mac} # y".into();
        site.kernel = "a ${b}&&shell".into();
        let script = render(&site.plan(None), &REACH);
        assert!(script.contains("echo Install x __ shell __ $_{net0/mac} _ y\n"), "{script}");
        assert!(
            script.contains("kernel http://192.168.100.1:8080/t/el9/a%20%24%7Bb%7D%26%26shell initrd="),
            "{script}"
        );
    }
}
