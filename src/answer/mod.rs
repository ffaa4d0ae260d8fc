//! The answer file: what the installer is told, so that it asks nothing.

pub mod foreign;
pub mod kickstart;

pub use kickstart::{Kickstart, KickstartError, Source};
