//! The answer file: what the installer is told, so that it asks nothing.

pub mod answers;
pub mod foreign;
pub mod hooks;
pub mod kickstart;
pub mod template;

pub use answers::{AnswerError, Answers, Circumstances};
pub use kickstart::{Kickstart, KickstartError, Source};
