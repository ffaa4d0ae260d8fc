//! The menus that loaders ask for, and what belongs to them.

use super::Catalog;
use crate::boot::Asker;
use crate::boot::plan::Plan;
use crate::boot::script::pxelinux::Modules;
use crate::boot::script::{Reach, grub, ipxe, pxelinux, screens};
use crate::content::{Found, Protocol, Request, Role};

/// A menu that a loader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Menu {
    Pxelinux,
    Grub,
    Ipxe,
}

impl Catalog {
    /// What is made under this name for the machine that asks; `None` when that is nothing about menus.
    pub(super) fn menu(&self, name: &str, request: &Request<'_>) -> Option<Found> {
        if let Some(rest) = name.strip_prefix(grub::PICK) {
            return Some(self.pick(rest, request));
        }
        if name == pxelinux::OWN_SCREEN {
            let url = self.site.url(Protocol::Http, "");
            return Some(self.content(screens::help(&self.plan(request), &url).into_bytes(), Role::Menu));
        }
        if is_autoexec(name) {
            return Some(Found::Missing);
        }
        let menu = menu(name)?;
        let plan = self.plan(request);
        let reach =
            Reach { protocol: request.protocol, server: self.site.server, http_port: self.site.http_port };
        let text = match menu {
            Menu::Pxelinux => pxelinux::render(&plan, self.modules()),
            Menu::Grub => grub::render(&plan, &reach),
            Menu::Ipxe => ipxe::render(&plan, &reach),
        };
        Some(self.content(text.into_bytes(), Role::Menu))
    }

    fn plan(&self, request: &Request<'_>) -> Plan {
        let Some(mut machine) = self.identify(request) else { return self.site.plan(None) };
        let serials = self.machines().policy().list.needs_serials();
        let known = self.answers.known(&machine, serials);
        let trouble = known.as_ref().err().cloned();
        // One whose kickstart cannot be made waits, with the reason on its screen.
        if let Some(known) = self.machines().by_mac_mut(machine.mac) {
            known.set_trouble(trouble.clone());
        }
        machine.set_trouble(trouble);
        self.site.plan(Some(Asker::new(&machine, &known.unwrap_or_default())))
    }

    /// What PXELINUX finds beside it. From 5.00 on the menus need libraries, which the package has or has not.
    fn modules(&self) -> Modules<'static> {
        let has = |name| self.programs.has_module(name);
        let is_new = has("ldlinux.c32");
        let menu = if has("menu.c32") && (!is_new || has("libutil.c32")) {
            Some("menu.c32")
        } else if has("vesamenu.c32") && (!is_new || (has("libutil.c32") && has("libcom32.c32"))) {
            Some("vesamenu.c32")
        } else {
            None
        };
        Modules { menu, has_chain: has("chain.c32") && (!is_new || has("libcom32.c32")) }
    }

    /// Notes that the machine which asks wants the entry `<label>` of `<label>/grub.cfg`, whose kernel its loader was
    /// refused: at its next start it is offered the loader of that entry's image.
    fn pick(&self, rest: &str, request: &Request<'_>) -> Found {
        let label = rest.strip_suffix("/grub.cfg").filter(|label| self.site.image_of(label).is_some());
        let Some(label) = label else { return Found::Missing };
        match self.machines().by_ip_mut(request.peer) {
            Some(machine) => machine.pick = Some(label.to_owned()),
            None => return Found::Missing,
        }
        self.content(grub::start_again(label).into_bytes(), Role::Menu)
    }
}

/// The menu that a name asks for, in whatever directory the loader believes to be.
///
/// PXELINUX: `pxelinux.cfg/` with a UUID, `01-<mac>`, a shortened hexadecimal address or `default`
/// (`core/fs/pxe/pxe.c`). GRUB: `grub.cfg`, and `grub.cfg-` with the same (`grub-core/net/net.c` of EL).
fn menu(name: &str) -> Option<Menu> {
    const GRUB_OF: &str = "grub.cfg-";
    let (directory, base) = name.rsplit_once('/').unwrap_or(("", name));
    let parent = directory.rsplit('/').next().unwrap_or_default();
    let is_of = |base: &str| base.get(..GRUB_OF.len()).is_some_and(|it| it.eq_ignore_ascii_case(GRUB_OF));
    if parent.eq_ignore_ascii_case("pxelinux.cfg") {
        Some(Menu::Pxelinux)
    } else if base.eq_ignore_ascii_case("grub.cfg") || is_of(base) {
        Some(Menu::Grub)
    } else if base.eq_ignore_ascii_case("boot.ipxe") {
        Some(Menu::Ipxe)
    } else {
        None
    }
}

/// What iPXE on UEFI looks for by itself before it has an address of its own (`interface/efi/efi_autoexec.c`). From 2024 on
/// it runs that before its cards are open: a menu there would boot nothing. Without one it asks for an address as always,
/// and is told where its menu is.
fn is_autoexec(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|base| base.eq_ignore_ascii_case("autoexec.ipxe"))
}
