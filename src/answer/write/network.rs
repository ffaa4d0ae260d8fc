//! Interfaces, one line each.

use std::fmt::Write as _;

use super::super::profile::{Addressing, Network};
use super::super::quote::kickstart;
use super::{WriteError, Writer, lacks};

impl Writer<'_> {
    pub(super) fn network(&mut self) -> Result<(), WriteError> {
        let profile = self.profile;
        let default = [Network::default()];
        let networks = if profile.network.is_empty() { &default[..] } else { &profile.network };
        let mut names: Vec<String> = Vec::new();
        for (index, network) in networks.iter().enumerate() {
            let device = self.device(network)?;
            let name = match network.vlan {
                Some(vlan) => format!("{device}.{vlan}"),
                None => device.clone(),
            };
            // The installer looks at the device alone: a second line for it replaces the first.
            if names.contains(&device) {
                return Err(WriteError(format!("the device {device} is there twice; a device has one line")));
            }
            let mut line = self.interface(network, &device, &name)?;
            if index == 0
                && let Some(host) = &profile.hostname
            {
                let _ = write!(line, " --hostname={host}");
            }
            names.push(device);
            self.line(&line);
        }
        Ok(())
    }

    fn device(&self, network: &Network) -> Result<String, WriteError> {
        if let Some(device) = &network.device {
            return Ok(device.to_string());
        }
        if !network.bond.is_empty() {
            return Ok("bond0".to_owned());
        }
        if network.vlan.is_some() {
            return Err(WriteError("a VLAN needs its device".to_owned()));
        }
        // EL5 knows no `link`; eth0 is what its one port is called.
        Ok(if self.generation == 5 { "eth0" } else { "link" }.to_owned())
    }

    fn interface(&self, network: &Network, device: &str, name: &str) -> Result<String, WriteError> {
        let mut line = "network".to_owned();
        match &network.address {
            Addressing::Dhcp => line += " --bootproto=dhcp",
            Addressing::None => line += " --noipv4",
            Addressing::Static(address) => {
                let _ = write!(
                    line,
                    " --bootproto=static --ip={} --netmask={}",
                    address.address,
                    address.netmask()
                );
            }
        }
        let _ = write!(line, " --device={}", kickstart(device));
        if let Some(gateway) = network.gateway {
            let _ = write!(line, " --gateway={gateway}");
        }
        if !network.dns.is_empty() {
            let servers: Vec<String> = network.dns.iter().map(ToString::to_string).collect();
            let _ = write!(line, " --nameserver={}", servers.join(","));
        }
        if !network.bond.is_empty() {
            if self.generation == 5 {
                return lacks(self.release, "bonds in its kickstarts", "write a script");
            }
            let parts: Vec<String> = network.bond.iter().map(ToString::to_string).collect();
            let _ = write!(line, " --bondslaves={}", kickstart(&parts.join(",")));
            let options =
                network.bond_options.as_ref().map_or("mode=active-backup,miimon=100", |it| it.as_str());
            let _ = write!(line, " --bondopts={}", kickstart(options));
        } else if network.bond_options.is_some() {
            return Err(WriteError(format!("{name} has options of a bond and no bond")));
        }
        if let Some(vlan) = network.vlan {
            if self.generation == 5 {
                return lacks(self.release, "VLANs in its kickstarts", "write a script");
            }
            if !(1..=4094).contains(&vlan) {
                return Err(WriteError(format!("{vlan} is no number of a VLAN; it is from 1 to 4094")));
            }
            let _ = write!(line, " --vlanid={vlan}");
            if self.generation >= 7 && is_name_of_vlan(name) {
                let _ = write!(line, " --interfacename={}", kickstart(name));
            }
        }
        if let Some(mtu) = network.mtu {
            let _ = write!(line, " --mtu={mtu}");
        }
        line += " --onboot=on";
        if self.generation >= 6 {
            line += " --activate";
        }
        Ok(line)
    }
}

/// Whether this can be a VLAN's name: at most 15 letters (IFNAMSIZ of Linux), behind the one dot a number, and in front of it
/// what a card is called, not its address or `link`. Without a name the installer makes up one (`--interfacename` of
/// pykickstart's `docs/kickstart-docs.rst`).
fn is_name_of_vlan(name: &str) -> bool {
    let card = name.split('.').next().unwrap_or_default();
    name.len() <= 15
        && name.matches('.').count() == 1
        && !card.contains(':')
        && !card.starts_with("vlan")
        && !["link", "bootif", "ibft"].contains(&card)
}
