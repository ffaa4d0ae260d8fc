//! What a person sees.

pub mod line;
pub mod version;
