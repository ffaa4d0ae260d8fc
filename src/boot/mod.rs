//! Who is asking, and what does it boot?
//!
//! One value, [`Plan`], says what a machine gets; DHCP, TFTP, HTTP and the menus all ask it, so the address advertised
//! and the bytes served cannot disagree.

pub mod arch;
pub mod arguments;
pub mod boot_file;
pub mod client;
pub mod plan;
pub mod script;
pub mod select;
pub mod site;

pub use plan::{Action, Asker, Entry, Linux, Plan};
pub use site::Site;
