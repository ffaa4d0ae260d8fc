//! pxego: a network-boot server in one static file.
//!
//! *Bytes come from [`net`], become values in [`wire`], are decided on in [`dhcp`], [`tftp`], [`http`] and
//! [`boot`], are answered from [`content`], [`image`] and [`answer`], and go back out the same way.*
//!
//! Uses point one way only, from left to right:
//!
//! `main → app → {net, ui} → {dhcp, tftp, http} → {boot, answer, machine, content} → media → {image, package} →
//! wire → std`
//!
//! Deciding is pure: the time and the packets are arguments, and only [`net`] touches sockets and clocks.
//! `ARCHITECTURE.md` has the house on one page.

pub mod answer;
pub mod app;
pub mod boot;
pub mod cli;
pub mod config;
pub mod content;
pub mod dhcp;
pub mod event;
pub mod http;
pub mod image;
pub mod machine;
pub mod media;
pub mod net;
mod order;
pub mod package;
pub mod tftp;
pub mod ui;
pub mod wire;
