//! The answer file: what the installer is told, so that it asks nothing.

pub mod answers;
pub mod check;
mod document;
pub mod filling;
pub mod finding;
pub mod foreign;
pub mod hash;
pub mod hooks;
mod instead;
pub mod kickstart;
pub mod lexer;
mod nearest;
mod options;
pub mod profile;
mod quote;
pub mod release;
pub mod repository;
mod rules;
pub mod storage;
pub mod template;
pub mod write;

pub use answers::{AnswerError, Answers, Circumstances};
pub use kickstart::{Kickstart, KickstartError, Source};
pub use profile::Profile;
pub use release::Release;
