//! The answer file: what the installer is told, so that it asks nothing.

pub mod check;
pub mod finding;
mod instead;
pub mod kickstart;
pub mod lexer;
mod nearest;
mod options;
pub mod release;
pub mod repository;
mod rules;

pub use kickstart::{Kickstart, KickstartError, Source};
pub use release::Release;
