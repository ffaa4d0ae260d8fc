//! Our TFTP server with files made up, on the loopback or in a namespace.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::{Arc, Mutex};

use pxego::content::networks::Networks;
use pxego::content::{Content, Found, Library, Observer, Protocol, Request, Role, Transfer};
use pxego::net::signals::Stop;
use pxego::net::tftp::{TftpConfig, serve};
use pxego::tftp::transfer::RollOver;

/// The first `len` bytes of every file: no two places near each other look the same.
pub fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8 ^ (at >> 9) as u8).collect()
}

/// Files by their length: `5000` is a name, with any directory before it and any ending after a dot, so that scripts have
/// names as clients ask for them: `EFI/BOOT/grubx64.efi.5000`.
pub struct Files;

impl Library for Files {
    fn find(&self, request: &Request<'_>) -> Found {
        let name = std::str::from_utf8(request.name).unwrap_or_default();
        match name.rsplit(['.', '/']).next().and_then(|len| len.parse().ok()) {
            Some(len) => Found::Content(Content::from_bytes(bytes(len), Role::Other, 0)),
            None => Found::Missing,
        }
    }
}

/// What was told of each transfer that ended: its name and how.
#[derive(Default)]
pub struct Ear(pub Mutex<Vec<String>>);

impl Observer for Ear {
    fn started(&self, _: Ipv4Addr, _: Protocol, _: &[u8], _: Role) {}

    fn ended(&self, transfer: &Transfer<'_>) {
        let name = String::from_utf8_lossy(transfer.name);
        self.0.lock().unwrap().push(format!("{name}: {:?}", transfer.outcome));
    }
}

pub fn config(server: Ipv4Addr, prefix: u8) -> TftpConfig {
    TftpConfig {
        networks: Networks::local(server, prefix),
        interface: None,
        mtu: 1500,
        single_port: false,
        roll_over: RollOver::ToZero,
    }
}

/// Stops the server however the test ends.
struct Stopper(Stop);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// Serves [`Files`] while `work` is done. `enter` takes the server's thread to where it serves.
pub fn while_serving<T>(
    config: &TftpConfig,
    enter: impl FnOnce(&mut (dyn FnMut() + Send)) + Send,
    work: impl FnOnce(SocketAddrV4, &Ear) -> T,
) -> T {
    serving(Arc::new(Files), config, 69, enter, work)
}

/// The same with any library, at any port.
pub fn serving<T>(
    library: Arc<dyn Library>,
    config: &TftpConfig,
    port: u16,
    enter: impl FnOnce(&mut (dyn FnMut() + Send)) + Send,
    work: impl FnOnce(SocketAddrV4, &Ear) -> T,
) -> T {
    let stop = Stop::new().unwrap();
    let ear = Arc::new(Ear::default());
    let (tell, told) = std::sync::mpsc::channel();
    let (server_stop, observer): (Stop, Arc<dyn Observer>) = (stop.clone(), ear.clone());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            enter(&mut || {
                let socket = UdpSocket::bind((config.networks.server, port)).unwrap();
                tell.send(socket.local_addr().unwrap()).unwrap();
                serve(&socket, config, &library, &observer, &server_stop).unwrap();
            });
        });
        let _stopper = Stopper(stop);
        let std::net::SocketAddr::V4(address) = told.recv().unwrap() else { unreachable!() };
        work(address, &ear)
    })
}
