//! The server as a black box: a client's bytes in, our bytes out, read by the tests' own decoder.
//!
//! [`clients`] has the requests of real programs byte by byte, [`packet`] what makes them, [`lab`] the server they are sent
//! to; [`edk2`] and [`ipxe`] say what those two make of our answers.
#![allow(clippy::arithmetic_side_effects)]

mod clients;
mod edk2;
mod ipxe;
mod lab;
mod packet;

mod architectures;
mod boot_information;
mod boot_server;
mod bootp;
mod check;
mod destination;
mod discover;
mod firmware_rules;
mod give_back;
mod host_name;
mod identity;
mod ladder;
mod limits;
mod nak;
mod networks;
mod proxy;
mod raspberry_pi;
mod request;
mod sequences;
mod watch;
