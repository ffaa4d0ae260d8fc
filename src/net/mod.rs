//! The only folder that touches sockets, interfaces and the clock.
#![allow(clippy::disallowed_methods)]

pub mod address;
pub mod clock;
mod cores;
mod datagram;
mod epoll;
pub mod http;
pub mod iface;
pub mod invocation;
pub mod medium;
mod netlink;
mod packet_filter;
mod port_owner;
pub mod ports;
pub mod precedence;
pub mod privilege;
pub mod random;
pub mod raw;
pub mod signals;
pub mod state;
mod sys;
pub mod terminal;
pub mod tftp;
mod vigil;

pub(crate) use cores::cores;
